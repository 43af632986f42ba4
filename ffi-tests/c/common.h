/* What the C programs share: checks that count, data, a plain product. */
#ifndef COMMON_H
#define COMMON_H

#include <spnm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int common_checks, common_failures;

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        common_checks++;                                                                   \
        if (!(condition)) {                                                                \
            common_failures++;                                                             \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                 \
        }                                                                                  \
    } while (0)

/* A call that must give this status. */
#define EXPECT(want, call)                                                                 \
    do {                                                                                   \
        spnm_status got_ = (call);                                                         \
        common_checks++;                                                                   \
        if (got_ != (want)) {                                                              \
            common_failures++;                                                             \
            printf("%s:%d: %s gave %d (%s), not %d\n", __FILE__, __LINE__, #call,          \
                   (int)got_, spnm_status_message(got_), (int)(want));                     \
        }                                                                                  \
    } while (0)

static inline int common_report(const char *program)
{
    printf("%-10s %d checks, %d failed\n", program, common_checks, common_failures);
    return common_failures != 0 || common_checks == 0;
}

/* Memory or the end of the test. */
static inline void *common_alloc(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    if (!p) {
        printf("the test is out of memory\n");
        exit(2);
    }
    return p;
}

/* Small numbers with signs from a linear congruential generator: products of them are exact enough. */
static inline float common_number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)((int32_t)(*state >> 8) - (1 << 23)) * 0x1p-22f;
}

static inline void common_fill(float *to, size_t count, uint32_t seed)
{
    for (size_t i = 0; i < count; i++)
        to[i] = common_number(&seed);
}

static inline spnm_matrix common_view(const float *data, size_t rows, size_t cols)
{
    spnm_matrix view = {(void *)(uintptr_t)data, rows, cols, (ptrdiff_t)cols, 1, SPNM_F32, 0};
    return view;
}

static inline spnm_matrix common_t(spnm_matrix a)
{
    spnm_matrix t = {a.data, a.cols, a.rows, a.col_stride, a.row_stride, a.dtype, a.reserved};
    return t;
}

static inline spnm_options common_options(uint32_t isa, spnm_pool *pool)
{
    spnm_options options = {sizeof(spnm_options), isa, 0, pool};
    return options;
}

/* A compressed matrix with memory of its own; free values and meta. */
static inline spnm_compressed common_compressed(size_t rows, size_t cols, uint32_t n, uint32_t m)
{
    spnm_compressed a = {NULL, NULL, rows, cols, 0, 0, n, m, SPNM_F32, 1};
    if (spnm_compressed_layout(rows, cols, n, m, 1, &a.ld_values, &a.ld_meta) != SPNM_OK) {
        printf("no layout for %u:%u\n", (unsigned)n, (unsigned)m);
        exit(2);
    }
    a.values = common_alloc(rows * a.ld_values * sizeof(float));
    a.meta = common_alloc(rows * a.ld_meta);
    return a;
}

static const uint32_t common_patterns[][2] = {
    {1, 2}, {1, 4}, {2, 4}, {1, 8}, {2, 8}, {4, 8}, {1, 16}, {2, 16}, {4, 16}, {8, 16}};
#define COMMON_PATTERNS (sizeof common_patterns / sizeof *common_patterns)

#endif
