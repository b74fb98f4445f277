// The calls of CUDA's driver that our programs make, on the CPU: every call is done when it returns.
//
// EMULATED_HOME    where ptx.py and kernel.h lie
// EMULATED_CACHE   where translated kernels are kept
// EMULATED_PTXAS   NVIDIA's assembler with its arguments: a kernel that it refuses is refused (none: not asked)
// EMULATED_MEMORY  bytes of the device
#include "threads.h"
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <map>
#include <mutex>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using Result = int;
using Pointer = unsigned long long;
enum : Result { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, INVALID_PTX = 218, NOT_FOUND = 500 };

// The device: what an H200 says of itself where kernels are chosen by it.
constexpr int CAPABILITY[] = {9, 0}, CUDA_VERSION = 12090, SHARED_BYTES = 232448, MULTIPROCESSORS = 132;

static std::recursive_mutex turn;
#define IN_TURN std::lock_guard<std::recursive_mutex> held(turn)

static std::string setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value ? value : otherwise;
}
static size_t memory() { return strtoull(setting("EMULATED_MEMORY", "12884901888").c_str(), nullptr, 10); }
static double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

extern "C" {
// Devices

Result cuInit(unsigned) { return SUCCESS; }
Result cuDriverGetVersion(int *version) { return *version = CUDA_VERSION, SUCCESS; }
Result cuDeviceGetCount(int *count) { return *count = 1, SUCCESS; }
Result cuDeviceGet(int *device, int i) { return *device = i, i == 0 ? SUCCESS : INVALID_DEVICE; }
Result cuDeviceGetName(char *name, int length, int) { return snprintf(name, length, "NVIDIA H200 (emulated)"), SUCCESS; }
Result cuDeviceGetUuid_v2(char *id, int) { return memset(id, 7, 16), SUCCESS; }
Result cuDeviceGetPCIBusId(char *id, int length, int) { return snprintf(id, length, "0000:00:00.0"), SUCCESS; }
Result cuDeviceTotalMem_v2(size_t *bytes, int) { return *bytes = memory(), SUCCESS; }
Result cuDeviceGetAttribute(int *value, int attribute, int) {
    static const std::map<int, int> values = {
        {1, 1024}, {2, 1024}, {3, 1024}, {4, 64},            // threads of a block, and along its axes
        {5, 2147483647}, {6, 65535}, {7, 65535},             // blocks along the axes
        {8, 49152}, {97, SHARED_BYTES},                      // shared memory, and with leave
        {10, 32}, {16, MULTIPROCESSORS}, {75, CAPABILITY[0]}, {76, CAPABILITY[1]}, {115, 1},
    };
    auto found = values.find(attribute);
    return *value = found == values.end() ? 0 : found->second, SUCCESS;
}
Result cuDevicePrimaryCtxRetain(void **context, int) { return *context = &turn, SUCCESS; }
Result cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
Result cuCtxSetCurrent(void *) { return SUCCESS; }
Result cuCtxGetCurrent(void **context) { return *context = &turn, SUCCESS; }
Result cuCtxGetStreamPriorityRange(int *least, int *greatest) { return *least = *greatest = 0, SUCCESS; }
Result cuGetErrorName(int, const char **text) { return *text = "of the emulated driver", SUCCESS; }
Result cuGetErrorString(int, const char **text) { return *text = "an error of the emulated driver", SUCCESS; }

// Memory

static size_t used;
static std::map<Pointer, size_t> sizes;
Result cuMemGetInfo_v2(size_t *left, size_t *total) { return *total = memory(), *left = *total - used, SUCCESS; }
Result cuMemAlloc_v2(Pointer *place, size_t bytes) {
    IN_TURN;
    void *got = nullptr;
    if (used + bytes > memory() || posix_memalign(&got, 512, (bytes + 511) / 512 * 512)) return OUT_OF_MEMORY;
    // What nobody wrote is no number.
    if (bytes < 64 << 20) memset(got, 0xff, bytes);
    used += sizes[(Pointer)got] = bytes;
    return *place = (Pointer)got, SUCCESS;
}
Result cuMemFree_v2(Pointer place) {
    IN_TURN;
    used -= sizes[place];
    sizes.erase(place);
    return free((void *)place), SUCCESS;
}
Result cuMemAllocAsync(Pointer *place, size_t bytes, void *) { return cuMemAlloc_v2(place, bytes); }
Result cuMemFreeAsync(Pointer place, void *) { return cuMemFree_v2(place); }
Result cuMemAllocHost_v2(void **place, size_t bytes) { return posix_memalign(place, 512, (bytes + 511) / 512 * 512) ? OUT_OF_MEMORY : SUCCESS; }
Result cuMemFreeHost(void *place) { return free(place), SUCCESS; }

static Result copy(void *to, const void *from, size_t bytes) {
    IN_TURN;
    return memmove(to, from, bytes), SUCCESS;
}
Result cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes, void *) { return copy((void *)to, from, bytes); }
Result cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t bytes, void *) { return copy(to, (void *)from, bytes); }
Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void *) { return copy((void *)to, (void *)from, bytes); }

struct Side {
    size_t x, y;
    int kind; // 1: the host
    const void *host;
    Pointer device;
    void *array;
    size_t pitch;
    char *row(size_t i) const { return (char *)(kind == 1 ? host : (void *)device) + (y + i) * pitch + x; }
};
struct Rectangle {
    Side from, to;
    size_t width, height;
};
Result cuMemcpy2DAsync_v2(const Rectangle *copied, void *) {
    IN_TURN;
    for (size_t i = 0; i < copied->height; i++) memcpy(copied->to.row(i), copied->from.row(i), copied->width);
    return SUCCESS;
}

// Streams and events

Result cuStreamCreate(void **stream, unsigned) { return *stream = malloc(1), SUCCESS; }
Result cuStreamCreateWithPriority(void **stream, unsigned, int) { return *stream = malloc(1), SUCCESS; }
Result cuStreamDestroy_v2(void *stream) { return free(stream), SUCCESS; }
Result cuStreamSynchronize(void *) {
    IN_TURN;
    return SUCCESS;
}
Result cuStreamWaitEvent(void *, void *, unsigned) { return SUCCESS; }
Result cuEventCreate(double **event, unsigned) { return *event = new double(0), SUCCESS; }
Result cuEventDestroy_v2(double *event) { return delete event, SUCCESS; }
Result cuEventRecord(double *event, void *) { return *event = seconds(), SUCCESS; }
Result cuEventSynchronize(double *) { return SUCCESS; }
Result cuEventQuery(double *) { return SUCCESS; }
Result cuEventElapsedTime_v2(float *milliseconds, double *start, double *end) { return *milliseconds = float((*end - *start) * 1e3), SUCCESS; }
Result cuEventElapsedTime(float *milliseconds, double *start, double *end) { return cuEventElapsedTime_v2(milliseconds, start, end); }

// Kernels

// Translates and compiles a kernel, once.
static bool built(const std::string &path, const char *ptx) {
    if (access((path + ".so").c_str(), R_OK) == 0) return true;
    const std::string home = setting("EMULATED_HOME", "."), own = path + "." + std::to_string(getpid()), assembler = setting("EMULATED_PTXAS", "");
    FILE *file = fopen((own + ".ptx").c_str(), "w");
    if (!file || fputs(ptx, file) < 0 || fclose(file)) return false;
    if (!assembler.empty() && system((assembler + " " + own + ".ptx -o /dev/null").c_str())) return false;
    const std::string translate = "python3 " + home + "/ptx.py " + own + ".ptx > " + own + ".c",
                      compile = "cc -std=gnu11 -w -O2 -march=native -ffp-contract=off -fwrapv -fno-strict-aliasing -fPIC -shared -I" + home + " -o " + own
                                + ".so " + own + ".c -lm";
    if (system((translate + " && " + compile).c_str())) return false;
    return rename((own + ".so").c_str(), (path + ".so").c_str()) == 0 && rename((own + ".ptx").c_str(), (path + ".ptx").c_str()) == 0;
}

Result cuModuleLoadData(void **module, const char *ptx) {
    IN_TURN;
    const std::string folder = setting("EMULATED_CACHE", "/tmp/emulated-cuda");
    mkdir(folder.c_str(), 0755);
    char name[32];
    snprintf(name, sizeof name, "/%016zx", std::hash<std::string>()(ptx));
    if (!built(folder + name, ptx)) return fprintf(stderr, "emulated driver: no kernel of %s%s.*.ptx\n", folder.c_str(), name), INVALID_PTX;
    *module = dlopen((folder + name + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!*module) return fprintf(stderr, "emulated driver: %s\n", dlerror()), INVALID_PTX;
    ((void (*)(void *, void *))dlsym(*module, "bind"))((void *)with_warp, (void *)wait_for_block);
    return SUCCESS;
}
Result cuModuleGetFunction(Kernel **kernel, void *module, const char *name) {
    std::string symbol = std::string("k_") + name;
    std::replace(symbol.begin(), symbol.end(), '$', '_');
    *kernel = (Kernel *)dlsym(module, symbol.c_str());
    return *kernel ? SUCCESS : NOT_FOUND;
}
Result cuModuleUnload(void *) { return SUCCESS; }
Result cuFuncSetAttribute(void *, int, int) { return SUCCESS; }

Result cuLaunchKernel(const Kernel *kernel, unsigned x, unsigned y, unsigned z, unsigned threads_x, unsigned threads_y, unsigned threads_z, unsigned shared,
                      void *, void **parameters, void **extra) {
    IN_TURN;
    if (extra || threads_x * threads_y * threads_z > 1024 || shared > SHARED_BYTES) return INVALID_VALUE;
    const uint64_t blocks = (uint64_t)x * y * z;
    std::atomic<uint64_t> next{0};
    auto work = [&] {
        Runner runner(*kernel, parameters, shared);
        for (uint64_t i; (i = next++) < blocks;)
            runner.run({{threads_x, threads_y, threads_z}, {unsigned(i % x), unsigned(i / x % y), unsigned(i / x / y)}, {x, y, z}, nullptr, 0});
    };
    std::vector<std::thread> others(blocks > 1 ? std::max(1u, std::thread::hardware_concurrency()) - 1 : 0);
    for (auto &other : others) other = std::thread(work);
    work();
    for (auto &other : others) other.join();
    return SUCCESS;
}
}
