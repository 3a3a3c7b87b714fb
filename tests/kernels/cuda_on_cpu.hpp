// Enough of CUDA for a host compiler: the threads of a block are threads of the machine.
//
// Each of them calls set_thread, then the kernel; __syncthreads is a barrier, shared memory one
// array for the block, full of NaN before each block. Blocks run one after the other.
#include <barrier>
#include <cmath>
#include <memory>

#define __global__
#define __shared__

struct Dim { unsigned x; };
static thread_local Dim threadIdx, blockIdx;
static Dim blockDim, gridDim;
static std::unique_ptr<std::barrier<>> together;

double linvop_shared[1 << 16];

inline void __syncthreads() { if (blockDim.x > 1) together->arrive_and_wait(); }

extern "C" void set_launch(unsigned blocks, unsigned threads)
{
    gridDim.x = blocks;
    blockDim.x = threads;
    together = std::make_unique<std::barrier<>>(threads);
}

extern "C" void new_block()
{
    for (double& x : linvop_shared) x = std::nan("");
}

extern "C" void set_thread(unsigned block, unsigned thread)
{
    blockIdx.x = block;
    threadIdx.x = thread;
}
