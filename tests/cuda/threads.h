// Blocks of threads on one thread of the CPU: each thread of a kernel is a fiber, which goes on until it waits for others.
#pragma once
#include "kernel.h"
#include <vector>

class Runner {
public:
    Runner(const Kernel &kernel, void **parameters, unsigned shared);
    ~Runner();
    // All threads of a block to their end.
    void run(Block block);

private:
    void together(unsigned count);
    const Kernel &kernel;
    void **parameters;
    std::vector<uint64_t> memory;
    unsigned launched;
    std::vector<Thread> threads;
};

// Called by kernels.
void with_warp(Thread *thread, int site, int operation, void *arguments);
void wait_for_block(Thread *thread);
