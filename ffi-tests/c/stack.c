/* How much of the calling thread's stack each function takes, on every level: threads of runtimes may have little. */
#include "common.h"
#include <pthread.h>

/* What docs/C.md promises. */
enum { LIMIT = 112 * 1024, STACK = 1024 * 1024, PAINT = 0xA5 };
/* No whole vectors, groups or bands; more than a chunk of 64 groups where M is at most 4. */
enum { ROWS = 33, COLS = 283, OUT = 70 };

static float a[ROWS * COLS], zeros[ROWS * COLS], b[COLS * OUT], c[ROWS * OUT], dense[ROWS * COLS];
static spnm_options options;

/* Row-major or, of the same buffer, column-major. */
static spnm_matrix view(const float *data, size_t rows, size_t cols, int by_cols)
{
    return by_cols ? common_t(common_view(data, cols, rows)) : common_view(data, rows, cols);
}

static void compression(uint32_t n, uint32_t m, uint32_t group, int by_cols)
{
    spnm_matrix av = view(a, ROWS, COLS, by_cols), none = view(zeros, ROWS, COLS, by_cols);
    spnm_matrix dv = view(dense, ROWS, COLS, by_cols);
    spnm_rng rng = {1, 2, 0, 0};
    spnm_compressed kept = common_compressed(ROWS, COLS, n, m);
    kept.group = group;
    for (uint32_t method = SPNM_KEEP; method <= SPNM_SOFT_THRESHOLD; method++) {
        if ((method == SPNM_MVUE_APPROX && (n != 2 || group > 1)) || (method == SPNM_SOFT_THRESHOLD && group > 1))
            continue;
        const spnm_matrix *from = method == SPNM_KEEP ? &none : &av;
        int draws = method == SPNM_MVUE || method == SPNM_MVUE_APPROX;
        EXPECT(SPNM_OK, spnm_compress(&options, method, draws ? &rng : NULL, from, &kept));
        EXPECT(SPNM_OK, spnm_prune(&options, method, draws ? &rng : NULL, n, m, group, from, &dv));
    }
    EXPECT(SPNM_OK, spnm_validate(&kept, NULL, NULL));
    EXPECT(SPNM_OK, spnm_decompress(&options, &kept, &dv));
    free(kept.values), free(kept.meta);
}

/* So many values, or dense entries, that they are written past the caches. */
static void streamed(uint32_t n, uint32_t m, uint32_t group, int by_cols)
{
    enum { TALL = 4099, WIDE = 4096, HALF = 2064 };
    if (m != 2 * n || group > 1)
        return;
    float *large = calloc((size_t)TALL * WIDE, sizeof *large);
    if (!large)
        exit(2);
    spnm_rng rng = {1, 2, 0, m}; /* Words of two chunks for each. */
    spnm_compressed kept = common_compressed(TALL, WIDE, n, m);
    spnm_matrix av = view(large, TALL, WIDE, by_cols), half = view(large, HALF, WIDE, by_cols);
    EXPECT(SPNM_OK, spnm_compress(&options, SPNM_MVUE, &rng, &av, &kept));
    if (n == 2)
        EXPECT(SPNM_OK, spnm_compress(&options, SPNM_MVUE_APPROX, &rng, &av, &kept));
    EXPECT(SPNM_OK, spnm_prune(&options, SPNM_MVUE, &rng, n, m, 1, &half, &half));
    kept.rows = HALF;
    EXPECT(SPNM_OK, spnm_decompress(&options, &kept, &half));
    free(kept.values), free(kept.meta), free(large);
}

static void product(uint32_t n, uint32_t m, uint32_t group, int by_cols)
{
    spnm_matrix av = view(a, ROWS, COLS, by_cols);
    spnm_rng rng = {1, 2, 0, 0};
    spnm_compressed kept = common_compressed(ROWS, COLS, n, m);
    kept.group = group;
    EXPECT(SPNM_OK, spnm_compress(&options, SPNM_MVUE, &rng, &av, &kept));
    for (size_t cols = 3; cols <= OUT; cols += OUT - 3) {
        spnm_matrix bv = view(b, COLS, cols, by_cols), cv = view(c, ROWS, cols, by_cols);
        EXPECT(SPNM_OK, spnm_gemm(&options, 2, &kept, &bv, 3, &cv));
        EXPECT(SPNM_OK, spnm_prune_gemm(&options, SPNM_MVUE, &rng, n, m, group, 2, &av, &bv, 3, &cv));
    }
    free(kept.values), free(kept.meta);
}

static void tensor(uint32_t n, uint32_t m, uint32_t group, int by_cols)
{
    spnm_matrix av = view(a, ROWS, COLS, by_cols), dv = view(dense, ROWS, COLS, !by_cols);
    spnm_rng rng = {1, 2, 0, 0};
    spnm_analysis analysis = {.struct_size = sizeof analysis};
    EXPECT(SPNM_OK, spnm_analyse(&options, n, m, group, &av, &analysis));
    if (group > 1)
        return;
    double scale = 0;
    EXPECT(SPNM_OK, spnm_soft_threshold_scale(&options, n, m, &av, &scale));
    if (n != 2 || m != 4)
        return;
    spnm_lognormal fit = {.struct_size = sizeof fit};
    float alpha = 0;
    EXPECT(SPNM_OK, spnm_lognormal_fit(&options, &av, &fit));
    EXPECT(SPNM_OK, spnm_threshold_for_sparsity(&fit, 0.8, &alpha));
    EXPECT(SPNM_OK, spnm_prune_threshold(&options, &rng, alpha, &av, &dv));
    uint32_t best_n = 0, best_m = 0;
    EXPECT(SPNM_OK, spnm_recommend(&options, 1, &av, 0.5, &best_n, &best_m));
    spnm_compressed w = common_compressed(ROWS, COLS, 2, 4), t = common_compressed(COLS, ROWS, 2, 4);
    EXPECT(SPNM_OK, spnm_compress_transposable(&options, &av, &w, &t));
    EXPECT(SPNM_OK, spnm_prune_transposable(&options, &av, &dv));
    free(w.values), free(w.meta), free(t.values), free(t.meta);
}

struct call {
    void (*function)(uint32_t n, uint32_t m, uint32_t group, int by_cols);
    uint32_t n, m, group;
    int by_cols;
};

static void *run(void *argument)
{
    const struct call *call = argument;
    call->function(call->n, call->m, call->group, call->by_cols);
    return NULL;
}

/* Bytes of a painted stack that are painted no more. */
static size_t used(struct call call)
{
    static unsigned char *stack;
    if (!stack && posix_memalign((void **)&stack, 65536, STACK))
        exit(2);
    memset(stack, PAINT, STACK);
    pthread_attr_t attributes;
    pthread_t thread;
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstack(&attributes, stack, STACK) == 0);
    CHECK(pthread_create(&thread, &attributes, run, &call) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(pthread_attr_destroy(&attributes) == 0);
    size_t untouched = 0;
    while (untouched < STACK && stack[untouched] == PAINT)
        untouched++;
    return STACK - untouched;
}

static void part(const char *name, void (*function)(uint32_t, uint32_t, uint32_t, int))
{
    static const uint32_t groups[] = {1, 8, 64};
    size_t most = 0;
    for (size_t p = 0; p < COMMON_PATTERNS; p++)
        for (size_t g = 0; g < 3; g++)
            for (int by_cols = 0; by_cols < 2; by_cols++) {
                const uint32_t *pattern = common_patterns[p];
                size_t bytes = used((struct call){function, pattern[0], pattern[1], groups[g], by_cols});
                CHECK(bytes <= LIMIT);
                most = bytes > most ? bytes : most;
            }
    printf("           %s: %zu KiB of stack at most, %s\n", name, (most + 1023) / 1024, spnm_isa_name(options.isa));
}

/* Threads of a pool have as much as they need, whatever the environment has for Rust's threads. */
static void pool(void)
{
    CHECK(setenv("RUST_MIN_STACK", "1", 1) == 0);
    options = common_options(SPNM_ISA_AUTO, NULL);
    EXPECT(SPNM_OK, spnm_pool_create(4, &options.pool));
    for (int i = 0; i < 5; i++) {
        compression(8, 16, 1, 1);
        product(2, 4, 1, 1);
        tensor(2, 4, 1, 0);
    }
    spnm_pool_free(options.pool);
}

int main(void)
{
    common_fill(a, ROWS * COLS, 1);
    common_fill(b, COLS * OUT, 2);
    for (uint32_t isa = SPNM_ISA_PORTABLE; isa <= SPNM_ISA_NEON; isa++) {
        options = common_options(isa, NULL);
        if (spnm_isa_available(isa) != 1)
            continue;
        part("compression", compression);
        part("compression, streamed", streamed);
        part("products", product);
        part("whole tensors", tensor);
    }
    pool();
    return common_report("stack");
}
