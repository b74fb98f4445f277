#include "threads.h"
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

enum State { READY, IN_WARP, IN_BLOCK, DONE };
constexpr size_t STACK = 256 << 10;
constexpr unsigned LANES = 32;

// Saves the registers that a call must keep, and goes on at another stack (x86-64).
extern "C" void switch_stacks(void **own, void *other);
__asm__(".text\n.globl switch_stacks\nswitch_stacks:\n"
        "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
        "mov %rsp, (%rdi)\nmov %rsi, %rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");

// Of the thread of the CPU: its stacks outlive single launches.
struct Fibers {
    std::vector<char *> stacks;
    void *own = nullptr; // where the runner goes on
    Thread *current = nullptr;
    const Kernel *kernel = nullptr;
    void **parameters = nullptr;
    ~Fibers() {
        for (char *stack : stacks) munmap(stack, STACK);
    }
};
static thread_local Fibers fibers;

static void pause(Thread *thread, State why) {
    thread->state = why;
    switch_stacks(&thread->stack, fibers.own);
}
void wait_for_block(Thread *thread) { pause(thread, IN_BLOCK); }
void with_warp(Thread *thread, int site, int operation, void *arguments) {
    thread->site = site;
    thread->operation = operation;
    thread->arguments = arguments;
    pause(thread, IN_WARP);
}
static void start() {
    fibers.kernel->run(fibers.current, fibers.parameters);
    pause(fibers.current, DONE);
}

// A number of a tile: where it is in memory. Which lane holds it is nobody's business, so it is told by its place.
static uint32_t *at(const Tile &tile, unsigned number) {
    const unsigned columns = tile.kind == TILE_A ? 8 : 16, row = number / columns, column = number % columns;
    return tile.place + (tile.by_columns ? column * tile.stride + row : row * tile.stride + column);
}
static void move(Tile &tile, unsigned lane, bool to_memory) {
    const unsigned each = tile.kind >= TILE_C ? 8 : 4;
    for (unsigned i = 0; i < each; i++) {
        uint32_t *place = at(tile, each * lane + i);
        if (to_memory) *place = tile.values[i];
        else tile.values[i] = *place;
    }
}
static float as_float(uint32_t bits) {
    float x;
    return memcpy(&x, &bits, 4), x;
}
// Sums of tensor cores are cut, not rounded, to single precision.
static float cut(double sum) {
    const float near = (float)sum;
    return std::fabs((double)near) > std::fabs(sum) ? std::nextafterf(near, 0) : near;
}
// C + A B: lanes hold 4 numbers of A, 4 of B, 8 of C, and get 8.
static void multiply(Thread *const *lanes) {
    auto bits = [&](unsigned number, unsigned each, unsigned from) -> uint32_t & { return ((uint32_t *)lanes[number / each]->arguments)[from + number % each]; };
    auto factor = [&](unsigned number, unsigned from) { return (double)as_float(bits(number, 4, from) & 0xffffe000); };
    for (unsigned row = 0; row < 16; row++)
        for (unsigned column = 0; column < 16; column++) {
            double sum = as_float(bits(16 * row + column, 8, 8));
            for (unsigned k = 0; k < 8; k++) {
                sum += factor(8 * row + k, 0) * factor(16 * k + column, 4);
                if (k % 4 == 3) sum = cut(sum);
            }
            const float single = (float)sum;
            memcpy(&bits(16 * row + column, 8, 16), &single, 4);
        }
}

static void shuffle(const std::vector<Thread *> &group, Thread *const *lanes, int operation) {
    for (Thread *thread : group) {
        auto *a = (uint32_t *)thread->arguments;
        const int lane = (int)thread->lane, by = (int)(a[1] & 31), clamp = (int)(a[2] & 31), segment = (int)(a[2] >> 8 & 31);
        const int last = (lane & segment) | (clamp & ~segment);
        int from = operation == SHUFFLE_UP ? lane - by : operation == SHUFFLE_DOWN ? lane + by : operation == SHUFFLE_BFLY ? lane ^ by
                                                                                               : (lane & segment) | (by & ~segment);
        const bool is_valid = operation == SHUFFLE_UP ? from >= last : from <= last;
        from = is_valid ? from : lane;
        // Of a lane that is not here nothing is known.
        a[3] = lanes[from] ? ((uint32_t *)lanes[from]->arguments)[0] : 0xffffffff;
        a[4] = is_valid;
    }
}

// What lanes of a warp do at once.
static void operate(const std::vector<Thread *> &group) {
    Thread *lanes[LANES] = {};
    uint32_t mask = 0, votes = 0;
    const int operation = group[0]->operation;
    for (Thread *thread : group) {
        lanes[thread->lane] = thread;
        mask |= 1u << thread->lane;
        if (operation >= VOTE_ALL && operation <= VOTE_BALLOT) votes |= (((uint32_t *)thread->arguments)[0] & 1) << thread->lane;
    }
    if (operation >= TILE_LOAD && mask != ~0u) {
        fprintf(stderr, "emulated driver: a tile for the lanes %08x of a warp\n", mask);
        abort();
    }
    if (operation >= SHUFFLE_IDX && operation <= SHUFFLE_BFLY) shuffle(group, lanes, operation);
    if (operation == TILE_PRODUCT) multiply(lanes);
    for (Thread *thread : group) {
        auto *a = (uint32_t *)thread->arguments;
        switch (operation) {
        case ACTIVE: a[0] = mask; break;
        case VOTE_ALL: a[1] = votes == mask; break;
        case VOTE_ANY: a[1] = votes != 0; break;
        case VOTE_BALLOT: a[1] = votes; break;
        case TILE_LOAD: case TILE_STORE: move(*(Tile *)thread->arguments, thread->lane, operation == TILE_STORE); break;
        default: break;
        }
        thread->state = READY;
    }
}

Runner::Runner(const Kernel &kernel, void **parameters, unsigned shared)
    : kernel(kernel), parameters(parameters), memory((shared + 15) / 16 * 2 + (kernel.given + 15) / 16 * 2 + 2), launched((shared + 15) / 16 * 16) {}
Runner::~Runner() = default;

void Runner::run(Block block) {
    block.memory = (char *)(((uintptr_t)memory.data() + 15) / 16 * 16);
    block.launched = launched;
    // What nobody wrote is no number.
    memset(memory.data(), 0xff, memory.size() * sizeof memory[0]);
    const unsigned count = block.threads[0] * block.threads[1] * block.threads[2];
    threads.assign(count, {});
    for (unsigned i = 0; i < count; i++) {
        Thread &thread = threads[i];
        thread.index[0] = i % block.threads[0];
        thread.index[1] = i / block.threads[0] % block.threads[1];
        thread.index[2] = i / block.threads[0] / block.threads[1];
        thread.lane = i % LANES;
        thread.block = &block;
        if (!kernel.waits) kernel.run(&thread, parameters);
    }
    if (kernel.waits) together(count);
}

void Runner::together(unsigned count) {
    fibers.kernel = &kernel;
    fibers.parameters = parameters;
    while (fibers.stacks.size() < count)
        fibers.stacks.push_back((char *)mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    for (unsigned i = 0; i < count; i++) {
        // As if it had paused before its first instruction: six registers, where it goes on, and where that returns to.
        auto **top = (void **)(fibers.stacks[i] + STACK) - 8;
        top[0] = (void *)start;
        threads[i].stack = top - 6;
    }
    std::vector<Thread *> group;
    bool goes_on = true;
    while (goes_on) {
        for (unsigned first = 0; first < count; first += LANES) {
            const auto warp = [&](auto then) {
                for (unsigned i = first; i < std::min(count, first + LANES); i++) then(&threads[i]);
            };
            do {
                warp([](Thread *thread) {
                    if (thread->state != READY) return;
                    fibers.current = thread;
                    switch_stacks(&fibers.own, thread->stack);
                });
                // Lanes that are behind go first, so that those of a loop meet behind it.
                int site = INT32_MAX;
                warp([&](Thread *thread) { site = thread->state == IN_WARP ? std::min(site, thread->site) : site; });
                group.clear();
                warp([&](Thread *thread) {
                    if (thread->state == IN_WARP && thread->site == site) group.push_back(thread);
                });
                if (!group.empty()) operate(group);
            } while (!group.empty());
        }
        goes_on = false;
        for (Thread &thread : threads)
            if (thread.state == IN_BLOCK) thread.state = READY, goes_on = true;
    }
}
