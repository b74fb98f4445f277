// What a translated kernel (C) and the emulated driver (C++) share: threads, blocks, and the meaning of single instructions.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct Block {
    unsigned threads[3], index[3], blocks[3];
    char *memory;      // shared by its threads: what the launch gives, then what the module gives
    unsigned launched; // bytes of the first
} Block;

typedef struct Thread {
    unsigned index[3], lane;
    Block *block;
    // Of the driver: where the thread goes on, why it waits, and what it wants of its warp.
    void *stack;
    int state, site, operation;
    void *arguments;
} Thread;

typedef struct Kernel {
    void (*run)(Thread *, void **);
    int waits;      // its threads wait for one another
    unsigned given; // bytes of shared memory that the module gives
} Kernel;

enum Operation {
    SYNC, ACTIVE, SHUFFLE_IDX, SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_BFLY, VOTE_ALL, VOTE_ANY, VOTE_BALLOT, TILE_LOAD, TILE_STORE, TILE_PRODUCT
};

enum TileKind { TILE_A, TILE_B, TILE_C, TILE_D };

// A tile between memory and the registers of a warp.
typedef struct Tile {
    uint32_t *place;
    uint32_t stride;
    enum TileKind kind;
    int by_columns;
    uint32_t values[8];
} Tile;

#ifndef __cplusplus
static void (*with_warp)(Thread *, int site, int operation, void *arguments);
static void (*wait_for_block)(Thread *);
void bind(void *warp, void *block) {
    with_warp = warp;
    wait_for_block = block;
}

static inline float as_f32(uint32_t bits) { float x; memcpy(&x, &bits, 4); return x; }
static inline double as_f64(uint64_t bits) { double x; memcpy(&x, &bits, 8); return x; }
static inline uint32_t of_f32(float x) { uint32_t bits; memcpy(&bits, &x, 4); return bits; }
static inline uint64_t of_f64(double x) { uint64_t bits; memcpy(&bits, &x, 8); return bits; }

#define fused(a, b, c) _Generic(a, float: __builtin_fmaf, double: __builtin_fma)(a, b, c)
#define square_root(x) _Generic(x, float: sqrtf, double: sqrt)(x)
#define magnitude(x) _Generic(x, float: fabsf, double: fabs)(x)
#define minimum(a, b) ((a) < (b) ? (a) : (b))
#define maximum(a, b) ((a) > (b) ? (a) : (b))
// The number when the other is none; or none when either is none.
#define minimum_number(a, b) _Generic(a, float: fminf, double: fmin)(a, b)
#define maximum_number(a, b) _Generic(a, float: fmaxf, double: fmax)(a, b)
#define minimum_or_nan(a, b) (isnan(a) || isnan(b) ? NAN : minimum_number(a, b))
#define maximum_or_nan(a, b) (isnan(a) || isnan(b) ? NAN : maximum_number(a, b))
// Between 0 and 1; what is no number is 0.
#define saturated(x) ((x) > 0 ? ((x) < 1 ? (x) : 1) : 0)

// Integers of numbers: held between the bounds, 0 for what is none.
#define TO_INTEGER(kind, type, low, high) \
    static inline type to_##kind(double x) { return isnan(x) ? 0 : x <= (double)(low) ? (low) : x >= (double)(high) ? (high) : (type)x; }
TO_INTEGER(s8, int8_t, INT8_MIN, INT8_MAX)
TO_INTEGER(u8, uint8_t, 0, UINT8_MAX)
TO_INTEGER(s16, int16_t, INT16_MIN, INT16_MAX)
TO_INTEGER(u16, uint16_t, 0, UINT16_MAX)
TO_INTEGER(s32, int32_t, INT32_MIN, INT32_MAX)
TO_INTEGER(u32, uint32_t, 0, UINT32_MAX)
TO_INTEGER(s64, int64_t, INT64_MIN, INT64_MAX)
TO_INTEGER(u64, uint64_t, 0, UINT64_MAX)

// Shifts by more bits than there are give zeros, or copies of the sign.
#define SHIFTS(n) \
    static inline uint##n##_t shifted_left_##n(uint##n##_t x, uint32_t by) { return by >= n ? 0 : x << by; } \
    static inline uint##n##_t shifted_right_u##n(uint##n##_t x, uint32_t by) { return by >= n ? 0 : x >> by; } \
    static inline uint##n##_t shifted_right_s##n(uint##n##_t x, uint32_t by) { return (int##n##_t)x >> (by >= n ? n - 1 : by); }
SHIFTS(16)
SHIFTS(32)
SHIFTS(64)

// Division by 0 gives ones, as GPUs do, and no signal.
#define DIVISIONS(kind, type) \
    static inline type quotient_##kind(type a, type b) { return b == 0 ? (type)-1 : (type)-1 < 0 && b == (type)-1 ? (type)(0 - (uint64_t)a) : a / b; } \
    static inline type remainder__##kind(type a, type b) { return b == 0 ? a : (type)-1 < 0 && b == (type)-1 ? 0 : a % b; }
DIVISIONS(u16, uint16_t)
DIVISIONS(s16, int16_t)
DIVISIONS(u32, uint32_t)
DIVISIONS(s32, int32_t)
DIVISIONS(u64, uint64_t)
DIVISIONS(s64, int64_t)

static inline uint32_t popc_32(uint32_t x) { return __builtin_popcount(x); }
static inline uint32_t popc_64(uint64_t x) { return __builtin_popcountll(x); }
static inline uint32_t clz_32(uint32_t x) { return x ? __builtin_clz(x) : 32; }
static inline uint32_t clz_64(uint64_t x) { return x ? __builtin_clzll(x) : 64; }

static inline uint32_t bit_field(uint32_t x, uint32_t from, uint32_t length) {
    from &= 255;
    length &= 255;
    x = shifted_right_u32(x, from);
    return length >= 32 ? x : x & ((1u << length) - 1);
}

// Four of the eight bytes of two words, each by a digit whose high bit asks for copies of its sign.
static inline uint32_t permuted_bytes(uint32_t low, uint32_t high, uint32_t digits) {
    uint64_t bytes = (uint64_t)high << 32 | low;
    uint32_t out = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t digit = digits >> 4 * i & 15, byte = bytes >> 8 * (digit & 7) & 255;
        out |= (digit & 8 ? byte & 128 ? 255 : 0 : byte) << 8 * i;
    }
    return out;
}

// 11 significant bits, halves away from zero.
static inline uint32_t rounded_to_tf32(uint32_t bits) { return (bits & 0x7f800000) == 0x7f800000 ? bits : (bits + 0x1000) & 0xffffe000u; }
#endif
