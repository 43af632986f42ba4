/* Every mistake is named, and nothing is written: NULL in each argument in turn, and what callers get
 * wrong. SPNM_E_MEMORY has a program of its own (memory.c); SPNM_E_PANIC needs a bug, and is
 * reached by a unit test of the library. */
#include "common.h"
#include <math.h>

/* Everything that a call may touch, in one piece, so that one comparison sees every stray write. */
static struct memory {
    char before[64];
    float a[8 * 8], b[8 * 5], c[8 * 5], out[8 * 8], values[8 * 4];
    uint8_t meta[8];
    size_t bad_row, bad_group, ld_values, ld_meta;
    double scale;
    spnm_pool *pool;
    char after[64];
} now, then;

static spnm_matrix a, b, c, out;
static spnm_compressed kept;
static spnm_options options;
static spnm_rng rng;

static int reached[16];

/* Puts every argument right again. */
static void reset(void)
{
    memset(&now, 0x5A, sizeof now);
    common_fill(now.a, 64, 1);
    common_fill(now.b, 40, 2);
    a = common_view(now.a, 8, 8);
    b = common_view(now.b, 8, 5);
    c = common_view(now.c, 8, 5);
    out = common_view(now.out, 8, 8);
    kept = (spnm_compressed){now.values, now.meta, 8, 8, 4, 1, 2, 4, SPNM_F32, 1};
    memset(now.meta, 0x44, sizeof now.meta);
    options = common_options(SPNM_ISA_AUTO, NULL);
    rng = (spnm_rng){1, 2, 0, 0};
    then = now;
}

/* A call that must be refused with this status, and leave everything as it was. */
#define REFUSED(want, call)                                                                \
    do {                                                                                   \
        then = now;                                                                        \
        EXPECT(want, call);                                                                \
        CHECK(memcmp(&then, &now, sizeof now) == 0);                                       \
        reached[-(want)] = 1;                                                              \
        reset();                                                                           \
    } while (0)

#define COMPRESS(method) spnm_compress(&options, method, &rng, &a, &kept)
#define PRUNE(method) spnm_prune(&options, method, &rng, 2, 4, 1, &a, &out)
#define DECOMPRESS() spnm_decompress(&options, &kept, &out)
#define GEMM() spnm_gemm(&options, 1, &kept, &b, 0, &c)
#define SCALE() spnm_soft_threshold_scale(&options, 2, 4, &a, &now.scale)
#define PRUNE_GEMM(method) spnm_prune_gemm(&options, method, &rng, 2, 4, 1, 1, &a, &b, 0, &c)

/* With one thing wrong that every computing function has. */
#define EVERY(want, wrong)                                                                 \
    do {                                                                                   \
        wrong;                                                                             \
        REFUSED(want, COMPRESS(SPNM_MVUE));                                                \
        wrong;                                                                             \
        REFUSED(want, PRUNE(SPNM_MVUE));                                                   \
        wrong;                                                                             \
        REFUSED(want, DECOMPRESS());                                                       \
        wrong;                                                                             \
        REFUSED(want, GEMM());                                                             \
        wrong;                                                                             \
        REFUSED(want, PRUNE_GEMM(SPNM_MVUE));                                              \
        wrong;                                                                             \
        REFUSED(want, SCALE());                                                            \
    } while (0)

/* With one thing wrong with a compressed operand. */
#define EVERY_COMPRESSED(want, wrong)                                                      \
    do {                                                                                   \
        wrong;                                                                             \
        REFUSED(want, COMPRESS(SPNM_MAGNITUDE));                                           \
        wrong;                                                                             \
        REFUSED(want, DECOMPRESS());                                                       \
        wrong;                                                                             \
        REFUSED(want, GEMM());                                                             \
        wrong;                                                                             \
        REFUSED(want, spnm_validate(&kept, &now.bad_row, &now.bad_group));                 \
    } while (0)

/* With one thing wrong with an output. */
#define EVERY_OUTPUT(want, field, value)                                                   \
    do {                                                                                   \
        out.field = value;                                                                 \
        REFUSED(want, PRUNE(SPNM_MAGNITUDE));                                              \
        out.field = value;                                                                 \
        REFUSED(want, DECOMPRESS());                                                       \
        c.field = value;                                                                   \
        REFUSED(want, GEMM());                                                             \
        c.field = value;                                                                   \
        REFUSED(want, PRUNE_GEMM(SPNM_MVUE));                                              \
    } while (0)

/* With one thing wrong with an input. */
#define EVERY_INPUT(want, field, value)                                                    \
    do {                                                                                   \
        a.field = value;                                                                   \
        REFUSED(want, COMPRESS(SPNM_MVUE));                                                \
        a.field = value;                                                                   \
        REFUSED(want, PRUNE(SPNM_MVUE));                                                   \
        a.field = value;                                                                   \
        REFUSED(want, PRUNE_GEMM(SPNM_MVUE));                                              \
        a.field = value;                                                                   \
        REFUSED(want, SCALE());                                                            \
        b.field = value;                                                                   \
        REFUSED(want, GEMM());                                                             \
        b.field = value;                                                                   \
        REFUSED(want, PRUNE_GEMM(SPNM_MVUE));                                              \
    } while (0)

static void nulls(void)
{
    REFUSED(SPNM_E_NULL, spnm_compress(&options, SPNM_MVUE, NULL, &a, &kept));
    REFUSED(SPNM_E_NULL, spnm_compress(&options, SPNM_MVUE, &rng, NULL, &kept));
    REFUSED(SPNM_E_NULL, spnm_compress(&options, SPNM_MVUE, &rng, &a, NULL));
    REFUSED(SPNM_E_NULL, spnm_prune(&options, SPNM_MVUE, NULL, 2, 4, 1, &a, &out));
    REFUSED(SPNM_E_NULL, spnm_prune(&options, SPNM_MVUE, &rng, 2, 4, 1, NULL, &out));
    REFUSED(SPNM_E_NULL, spnm_prune(&options, SPNM_MVUE, &rng, 2, 4, 1, &a, NULL));
    REFUSED(SPNM_E_NULL, spnm_decompress(&options, NULL, &out));
    REFUSED(SPNM_E_NULL, spnm_decompress(&options, &kept, NULL));
    REFUSED(SPNM_E_NULL, spnm_gemm(&options, 1, NULL, &b, 0, &c));
    REFUSED(SPNM_E_NULL, spnm_gemm(&options, 1, &kept, NULL, 0, &c));
    REFUSED(SPNM_E_NULL, spnm_gemm(&options, 1, &kept, &b, 0, NULL));
    REFUSED(SPNM_E_NULL, spnm_prune_gemm(&options, SPNM_MVUE, NULL, 2, 4, 1, 1, &a, &b, 0, &c));
    REFUSED(SPNM_E_NULL, spnm_prune_gemm(&options, SPNM_MVUE, &rng, 2, 4, 1, 1, NULL, &b, 0, &c));
    REFUSED(SPNM_E_NULL, spnm_prune_gemm(&options, SPNM_MVUE, &rng, 2, 4, 1, 1, &a, NULL, 0, &c));
    REFUSED(SPNM_E_NULL, spnm_prune_gemm(&options, SPNM_MVUE, &rng, 2, 4, 1, 1, &a, &b, 0, NULL));
    REFUSED(SPNM_E_NULL, spnm_compress(&options, SPNM_MVUE_APPROX, NULL, &a, &kept));
    REFUSED(SPNM_E_NULL, spnm_prune(&options, SPNM_MVUE_APPROX, NULL, 2, 4, 1, &a, &out));
    REFUSED(SPNM_E_NULL, spnm_prune_gemm(&options, SPNM_MVUE_APPROX, NULL, 2, 4, 1, 1, &a, &b, 0, &c));
    REFUSED(SPNM_E_NULL, spnm_soft_threshold_scale(&options, 2, 4, NULL, &now.scale));
    REFUSED(SPNM_E_NULL, spnm_soft_threshold_scale(&options, 2, 4, &a, NULL));
    REFUSED(SPNM_E_NULL, spnm_validate(NULL, &now.bad_row, &now.bad_group));
    REFUSED(SPNM_E_NULL, spnm_compressed_layout(8, 8, 2, 4, 1, NULL, &now.ld_meta));
    REFUSED(SPNM_E_NULL, spnm_compressed_layout(8, 8, 2, 4, 1, &now.ld_values, NULL));
    REFUSED(SPNM_E_NULL, spnm_pool_create(2, NULL));
    EVERY_INPUT(SPNM_E_NULL, data, NULL);
    EVERY_OUTPUT(SPNM_E_NULL, data, NULL);
    EVERY_COMPRESSED(SPNM_E_NULL, kept.values = NULL);
    EVERY_COMPRESSED(SPNM_E_NULL, kept.meta = NULL);

    /* NULL that is fine. */
    EXPECT(SPNM_OK, spnm_compress(NULL, SPNM_MAGNITUDE, NULL, &a, &kept));
    EXPECT(SPNM_OK, spnm_validate(&kept, NULL, NULL));
    EXPECT(SPNM_OK, spnm_prune(NULL, SPNM_MAGNITUDE, NULL, 2, 4, 1, &a, &out));
    EXPECT(SPNM_OK, spnm_compress(NULL, SPNM_KEEP, NULL, &out, &kept));
    EXPECT(SPNM_OK, spnm_compress(NULL, SPNM_SOFT_THRESHOLD, NULL, &a, &kept));
    EXPECT(SPNM_OK, spnm_soft_threshold_scale(NULL, 2, 4, &a, &now.scale));
    spnm_pool_free(NULL);
    reset();
}

static void option_mistakes(void)
{
    EVERY(SPNM_E_STRUCT_SIZE, options.struct_size = 0);
    EVERY(SPNM_E_STRUCT_SIZE, options.struct_size = sizeof options - 1);
    EVERY(SPNM_E_STRUCT_SIZE, options.struct_size = SIZE_MAX);
    EVERY(SPNM_E_OPTION, options.flags = 1);
    EVERY(SPNM_E_OPTION, options.flags = 0x80000000u);
    EVERY(SPNM_E_ISA, options.isa = 99);
    EVERY(SPNM_E_ISA, options.isa = spnm_isa_available(SPNM_ISA_NEON) ? SPNM_ISA_AVX2 : SPNM_ISA_NEON);

    /* A newer caller's larger struct: fine as long as what is new is 0. */
    struct {
        spnm_options known;
        char newer[40];
    } larger;
    memset(&larger, 0, sizeof larger);
    larger.known.struct_size = sizeof larger;
    EXPECT(SPNM_OK, spnm_gemm(&larger.known, 1, &kept, &b, 0, &c));
    reset();
    larger.newer[39] = 1;
    REFUSED(SPNM_E_OPTION, spnm_gemm(&larger.known, 1, &kept, &b, 0, &c));

    static const uint32_t unknown[] = {5, 99, UINT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        REFUSED(SPNM_E_OPTION, COMPRESS(unknown[i]));
        REFUSED(SPNM_E_OPTION, PRUNE(unknown[i]));
        REFUSED(SPNM_E_OPTION, PRUNE_GEMM(unknown[i]));
    }
    EVERY_INPUT(SPNM_E_OPTION, reserved, 1);
    EVERY_OUTPUT(SPNM_E_OPTION, reserved, UINT32_MAX);
    REFUSED(SPNM_E_OPTION, spnm_pool_create(0, &now.pool));
    REFUSED(SPNM_E_OPTION, spnm_pool_create(4097, &now.pool));
    REFUSED(SPNM_E_OPTION, spnm_pool_create(SIZE_MAX, &now.pool));
}

static void pattern_and_dtype_mistakes(void)
{
    static const uint32_t bad[][2] = {{0, 0}, {0, 4}, {4, 4}, {3, 4}, {4, 2}, {2, 2},
                                      {1, 3}, {1, 32}, {16, 16}, {UINT32_MAX, UINT32_MAX}, {258, 4}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint32_t n = bad[i][0], m = bad[i][1];
        EVERY_COMPRESSED(SPNM_E_PATTERN, (kept.n = n, kept.m = m));
        REFUSED(SPNM_E_PATTERN, spnm_prune(&options, SPNM_MVUE, &rng, n, m, 1, &a, &out));
        REFUSED(SPNM_E_PATTERN, spnm_prune_gemm(&options, SPNM_MVUE, &rng, n, m, 1, 1, &a, &b, 0, &c));
        REFUSED(SPNM_E_PATTERN, spnm_compressed_layout(8, 8, n, m, 1, &now.ld_values, &now.ld_meta));
        REFUSED(SPNM_E_PATTERN, spnm_soft_threshold_scale(&options, n, m, &a, &now.scale));
    }
    for (size_t i = 0; i < COMMON_PATTERNS; i++) {
        uint32_t n = common_patterns[i][0], m = common_patterns[i][1], method = SPNM_MVUE_APPROX;
        if (n == 2)
            continue;
        kept.n = n, kept.m = m;
        REFUSED(SPNM_E_PATTERN, COMPRESS(method));
        REFUSED(SPNM_E_PATTERN, spnm_prune(&options, method, &rng, n, m, 1, &a, &out));
        REFUSED(SPNM_E_PATTERN, spnm_prune_gemm(&options, method, &rng, n, m, 1, 1, &a, &b, 0, &c));
    }
    /* Methods that prune each row by itself. */
    static const uint32_t single[] = {SPNM_MVUE_APPROX, SPNM_SOFT_THRESHOLD};
    for (size_t i = 0; i < 2; i++) {
        kept.group = 8; REFUSED(SPNM_E_OPTION, spnm_compress(&options, single[i], &rng, &a, &kept));
        REFUSED(SPNM_E_OPTION, spnm_prune(&options, single[i], &rng, 2, 4, 8, &a, &out));
        REFUSED(SPNM_E_OPTION, spnm_prune_gemm(&options, single[i], &rng, 2, 4, 8, 1, &a, &b, 0, &c));
    }
    static const uint32_t groups[] = {0, 65, 256 + 8, UINT32_MAX};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        uint32_t group = groups[i];
        EVERY_COMPRESSED(SPNM_E_PATTERN, kept.group = group);
        REFUSED(SPNM_E_PATTERN, spnm_prune(&options, SPNM_MVUE, &rng, 2, 4, group, &a, &out));
        REFUSED(SPNM_E_PATTERN, spnm_prune_gemm(&options, SPNM_MVUE, &rng, 2, 4, group, 1, &a, &b, 0, &c));
        REFUSED(SPNM_E_PATTERN, spnm_compressed_layout(8, 8, 2, 4, group, &now.ld_values, &now.ld_meta));
    }
    static const uint32_t dtypes[] = {SPNM_BF16, SPNM_F16, 3, 77, UINT32_MAX};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        EVERY_INPUT(SPNM_E_DTYPE, dtype, dtypes[i]);
        EVERY_OUTPUT(SPNM_E_DTYPE, dtype, dtypes[i]);
        EVERY_COMPRESSED(SPNM_E_DTYPE, kept.dtype = dtypes[i]);
    }
}

static void shape_mistakes(void)
{
    for (int k = 0; k < 2; k++) {
        size_t wrong = k ? 7 : SIZE_MAX;
        a.rows = wrong; REFUSED(SPNM_E_SHAPE, COMPRESS(SPNM_MVUE));
        a.cols = wrong; REFUSED(SPNM_E_SHAPE, COMPRESS(SPNM_MVUE));
        kept.rows = wrong; REFUSED(SPNM_E_SHAPE, COMPRESS(SPNM_MVUE));
        out.rows = wrong; REFUSED(SPNM_E_SHAPE, PRUNE(SPNM_MVUE));
        out.cols = wrong; REFUSED(SPNM_E_SHAPE, PRUNE(SPNM_MVUE));
        out.rows = wrong; REFUSED(SPNM_E_SHAPE, DECOMPRESS());
        out.cols = wrong; REFUSED(SPNM_E_SHAPE, DECOMPRESS());
        b.rows = wrong; REFUSED(SPNM_E_SHAPE, GEMM());
        c.rows = wrong; REFUSED(SPNM_E_SHAPE, GEMM());
        c.cols = wrong; REFUSED(SPNM_E_SHAPE, GEMM());
        b.rows = wrong; REFUSED(SPNM_E_SHAPE, PRUNE_GEMM(SPNM_MVUE));
        c.rows = wrong; REFUSED(SPNM_E_SHAPE, PRUNE_GEMM(SPNM_MVUE));
        b.cols = wrong; REFUSED(SPNM_E_SHAPE, PRUNE_GEMM(SPNM_MVUE));
    }
    for (uint64_t col0 = 1; col0 < 4; col0++) {
        rng.col0 = col0; REFUSED(SPNM_E_SHAPE, COMPRESS(SPNM_MVUE));
        rng.col0 = col0; REFUSED(SPNM_E_SHAPE, PRUNE(SPNM_MVUE));
        rng.col0 = col0; REFUSED(SPNM_E_SHAPE, PRUNE_GEMM(SPNM_MVUE));
    }
    rng.col0 = UINT64_MAX; REFUSED(SPNM_E_SHAPE, COMPRESS(SPNM_MVUE));
    /* A shard begins with a group of rows. */
    static const uint64_t row0s[] = {1, 4, 7, 9, UINT64_MAX};
    for (size_t i = 0; i < sizeof row0s / sizeof *row0s; i++) {
        rng.row0 = row0s[i], kept.group = 8; REFUSED(SPNM_E_SHAPE, COMPRESS(SPNM_MVUE));
        rng.row0 = row0s[i]; REFUSED(SPNM_E_SHAPE, spnm_prune(&options, SPNM_MVUE, &rng, 2, 4, 8, &a, &out));
        rng.row0 = row0s[i];
        REFUSED(SPNM_E_SHAPE, spnm_prune_gemm(&options, SPNM_MVUE, &rng, 2, 4, 8, 1, &a, &b, 0, &c));
    }
}

static void stride_mistakes(void)
{
    for (size_t ld = 0; ld < 4; ld++)
        EVERY_COMPRESSED(SPNM_E_STRIDE, kept.ld_values = ld);
    EVERY_COMPRESSED(SPNM_E_STRIDE, kept.ld_meta = 0);
    EVERY_OUTPUT(SPNM_E_STRIDE, row_stride, 0);
    EVERY_OUTPUT(SPNM_E_STRIDE, col_stride, 0);
    EVERY_OUTPUT(SPNM_E_STRIDE, row_stride, 1);
    EVERY_OUTPUT(SPNM_E_STRIDE, row_stride, 4);
    EVERY_OUTPUT(SPNM_E_STRIDE, row_stride, -4);
    EVERY_OUTPUT(SPNM_E_STRIDE, row_stride, -1);
}

static void overflows(void)
{
    static const ptrdiff_t far[] = {PTRDIFF_MAX, PTRDIFF_MIN, PTRDIFF_MAX / 4, (ptrdiff_t)1 << 62, (ptrdiff_t)1 << 60,
                                    -((ptrdiff_t)1 << 61)};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        EVERY_INPUT(SPNM_E_OVERFLOW, row_stride, far[i]);
        EVERY_INPUT(SPNM_E_OVERFLOW, col_stride, far[i]);
        EVERY_OUTPUT(SPNM_E_OVERFLOW, row_stride, far[i]);
    }
    EVERY_COMPRESSED(SPNM_E_OVERFLOW, kept.ld_values = SIZE_MAX);
    EVERY_COMPRESSED(SPNM_E_OVERFLOW, kept.ld_values = SIZE_MAX / 4);
    EVERY_COMPRESSED(SPNM_E_OVERFLOW, kept.ld_meta = SIZE_MAX);
    EVERY_COMPRESSED(SPNM_E_OVERFLOW, kept.ld_meta = SIZE_MAX / 2);
    /* Rows and groups beyond what the generator's counter holds. */
    kept.rows = a.rows = (size_t)1 << 31; REFUSED(SPNM_E_OVERFLOW, COMPRESS(SPNM_MAGNITUDE));
    kept.cols = a.cols = SIZE_MAX; REFUSED(SPNM_E_OVERFLOW, COMPRESS(SPNM_MAGNITUDE));
    kept.cols = a.cols = SIZE_MAX - 3; a.row_stride = 0; REFUSED(SPNM_E_OVERFLOW, COMPRESS(SPNM_MAGNITUDE));
    kept.rows = a.rows = SIZE_MAX; a.row_stride = 0; REFUSED(SPNM_E_OVERFLOW, COMPRESS(SPNM_MAGNITUDE));
    kept.cols = b.rows = SIZE_MAX; REFUSED(SPNM_E_OVERFLOW, GEMM());
    kept.cols = b.rows = (size_t)1 << 34; REFUSED(SPNM_E_OVERFLOW, GEMM());
    b.cols = c.cols = SIZE_MAX; REFUSED(SPNM_E_OVERFLOW, GEMM());
    a.rows = c.rows = SIZE_MAX; REFUSED(SPNM_E_OVERFLOW, PRUNE_GEMM(SPNM_MVUE));
    a.rows = out.rows = SIZE_MAX; REFUSED(SPNM_E_OVERFLOW, PRUNE(SPNM_MVUE));
    a.cols = out.cols = SIZE_MAX; REFUSED(SPNM_E_OVERFLOW, PRUNE(SPNM_MVUE));
    rng.row0 = (uint64_t)1 << 31; REFUSED(SPNM_E_OVERFLOW, COMPRESS(SPNM_MVUE));
    rng.row0 = ((uint64_t)1 << 31) - 7; REFUSED(SPNM_E_OVERFLOW, PRUNE(SPNM_MVUE));
    rng.row0 = UINT64_MAX; REFUSED(SPNM_E_OVERFLOW, PRUNE_GEMM(SPNM_MVUE));
    rng.col0 = (uint64_t)1 << 34; REFUSED(SPNM_E_OVERFLOW, COMPRESS(SPNM_MVUE));
    rng.col0 = UINT64_MAX - 3; REFUSED(SPNM_E_OVERFLOW, COMPRESS(SPNM_MVUE));
    /* The last that fit. */
    rng.row0 = ((uint64_t)1 << 31) - 8;
    rng.col0 = ((uint64_t)1 << 34) - 8;
    EXPECT(SPNM_OK, COMPRESS(SPNM_MVUE));
    reset();
    REFUSED(SPNM_E_OVERFLOW, spnm_compressed_layout(8, SIZE_MAX, 2, 4, 1, &now.ld_values, &now.ld_meta));
    REFUSED(SPNM_E_OVERFLOW, spnm_compressed_layout(SIZE_MAX, 8, 2, 4, 1, &now.ld_values, &now.ld_meta));
    REFUSED(SPNM_E_OVERFLOW, spnm_compressed_layout((size_t)1 << 30, (size_t)1 << 33, 8, 16, 1, &now.ld_values, &now.ld_meta));
    /* Not an error before memory is asked for: a layout of what nobody can have is refused, one that fits is not. */
    EXPECT(SPNM_OK, spnm_compressed_layout(1 << 20, 1 << 20, 8, 16, 1, &now.ld_values, &now.ld_meta));
    CHECK(now.ld_values == 1 << 19 && now.ld_meta == 1 << 18);
    reset();
}

static void overlaps(void)
{
    kept.values = now.a; REFUSED(SPNM_E_OVERLAP, COMPRESS(SPNM_MVUE));
    kept.values = now.a + 63; REFUSED(SPNM_E_OVERLAP, COMPRESS(SPNM_MVUE));
    kept.meta = (uint8_t *)now.a; REFUSED(SPNM_E_OVERLAP, COMPRESS(SPNM_MVUE));
    kept.meta = (uint8_t *)&now.a[63] + 3; REFUSED(SPNM_E_OVERLAP, COMPRESS(SPNM_MVUE));
    kept.meta = (uint8_t *)now.values; REFUSED(SPNM_E_OVERLAP, COMPRESS(SPNM_MVUE));
    kept.meta = (uint8_t *)now.values + sizeof now.values - 1; REFUSED(SPNM_E_OVERLAP, COMPRESS(SPNM_MVUE));
    out.data = now.a + 1; REFUSED(SPNM_E_OVERLAP, PRUNE(SPNM_MVUE));
    out = common_t(a); REFUSED(SPNM_E_OVERLAP, PRUNE(SPNM_MVUE));
    out.data = now.values; REFUSED(SPNM_E_OVERLAP, DECOMPRESS());
    out.data = (char *)now.values - sizeof now.out + 4; REFUSED(SPNM_E_OVERLAP, DECOMPRESS());
    kept.meta = (uint8_t *)&now.out[63] + 3; REFUSED(SPNM_E_OVERLAP, DECOMPRESS());
    c.data = now.b; REFUSED(SPNM_E_OVERLAP, GEMM());
    c.data = now.b + 39; REFUSED(SPNM_E_OVERLAP, GEMM());
    c.data = now.values; REFUSED(SPNM_E_OVERLAP, GEMM());
    kept.meta = (uint8_t *)now.c; REFUSED(SPNM_E_OVERLAP, GEMM());
    c.data = now.a + 60; REFUSED(SPNM_E_OVERLAP, PRUNE_GEMM(SPNM_MVUE));
    c.data = now.b; REFUSED(SPNM_E_OVERLAP, PRUNE_GEMM(SPNM_MVUE));
    /* Backwards views reach where forwards ones do not. */
    c.data = now.b + 39 + 39; c.row_stride = -5; c.col_stride = -1; REFUSED(SPNM_E_OVERLAP, GEMM());

    /* No overlap: neighbours, inputs that share memory, columns of one matrix. */
    b.data = now.a;
    EXPECT(SPNM_OK, PRUNE_GEMM(SPNM_MVUE));
    reset();
    float both[8 * 16];
    common_fill(both, 128, 3);
    spnm_matrix left = {both, 8, 8, 16, 1, SPNM_F32, 0}, right = {both + 8, 8, 8, 16, 1, SPNM_F32, 0};
    EXPECT(SPNM_OK, spnm_prune(&options, SPNM_MVUE, &rng, 2, 4, 1, &left, &right));
}

static void contents(void)
{
    a.cols = kept.cols = 8;
    REFUSED(SPNM_E_NOT_NM, COMPRESS(SPNM_KEEP));
    REFUSED(SPNM_E_NOT_NM, PRUNE(SPNM_KEEP));
    REFUSED(SPNM_E_NOT_NM, PRUNE_GEMM(SPNM_KEEP));

    /* Malformed metadata: the place is named, in full, in part or not at all; nothing else is written. */
    now.meta[5] = 0x11;
    then = now;
    EXPECT(SPNM_E_META, spnm_validate(&kept, &now.bad_row, &now.bad_group));
    CHECK(now.bad_row == 5 && now.bad_group == 0);
    now.bad_row = then.bad_row;
    now.bad_group = then.bad_group;
    CHECK(memcmp(&then, &now, sizeof now) == 0);
    EXPECT(SPNM_E_META, spnm_validate(&kept, NULL, NULL));
    EXPECT(SPNM_E_META, spnm_validate(&kept, &now.bad_row, NULL));
    CHECK(now.bad_row == 5 && now.bad_group == then.bad_group);
    reset();
    kept.cols = 4; /* one group: the high nibble is padding */
    now.meta[2] = 0x14;
    EXPECT(SPNM_E_META, spnm_validate(&kept, &now.bad_row, &now.bad_group));
    reached[-SPNM_E_META] = 1;
    reset();

    /* Any bytes are memory-safe to multiply and to expand. */
    for (int byte = 0; byte < 256; byte++) {
        memset(now.meta, byte, sizeof now.meta);
        EXPECT(SPNM_OK, GEMM());
        EXPECT(SPNM_OK, DECOMPRESS());
    }
    reset();
}

static void harmless(void)
{
    /* No elements: pointers and strides are never looked at; inner = 0 scales C. */
    a.data = b.data = NULL;
    kept.values = NULL;
    kept.meta = NULL;
    a.cols = b.rows = kept.cols = 0;
    kept.ld_values = SIZE_MAX;
    a.row_stride = PTRDIFF_MIN;
    for (int i = 0; i < 40; i++)
        now.c[i] = 2;
    EXPECT(SPNM_OK, spnm_gemm(&options, 3, &kept, &b, 0.5f, &c));
    CHECK(now.c[0] == 1 && now.c[39] == 1);
    EXPECT(SPNM_OK, spnm_prune_gemm(&options, SPNM_MVUE, &rng, 2, 4, 1, 1, &a, &b, 1, &c));
    CHECK(now.c[0] == 1 && now.c[39] == 1);
    for (int i = 0; i < 40; i++)
        now.c[i] = NAN;
    EXPECT(SPNM_OK, spnm_gemm(&options, NAN, &kept, &b, 0, &c));
    CHECK(now.c[0] == 0 && now.c[39] == 0);
    EXPECT(SPNM_OK, COMPRESS(SPNM_MVUE));
    EXPECT(SPNM_OK, spnm_validate(&kept, NULL, NULL));
    reset();
    a.rows = kept.rows = c.rows = 0;
    a.data = c.data = NULL;
    then = now;
    EXPECT(SPNM_OK, GEMM());
    EXPECT(SPNM_OK, PRUNE_GEMM(SPNM_MVUE));
    EXPECT(SPNM_OK, COMPRESS(SPNM_MVUE));
    b.cols = c.cols = 0;
    b.data = NULL;
    EXPECT(SPNM_OK, GEMM());
    CHECK(memcmp(&then, &now, sizeof now) == 0);
    reset();

    /* A stride that leads nowhere: one row, one column. */
    a.rows = kept.rows = c.rows = 1;
    a.row_stride = PTRDIFF_MIN;
    c.row_stride = PTRDIFF_MAX;
    kept.ld_values = SIZE_MAX;
    kept.ld_meta = SIZE_MAX;
    EXPECT(SPNM_OK, COMPRESS(SPNM_MVUE));
    EXPECT(SPNM_OK, GEMM());
    EXPECT(SPNM_OK, PRUNE_GEMM(SPNM_MVUE));
    b.cols = c.cols = 1;
    b.col_stride = PTRDIFF_MIN;
    c.col_stride = PTRDIFF_MIN;
    EXPECT(SPNM_OK, GEMM());
    reset();

    /* alpha and beta may be anything: they spread as IEEE says. */
    EXPECT(SPNM_OK, COMPRESS(SPNM_MVUE));
    EXPECT(SPNM_OK, spnm_gemm(&options, NAN, &kept, &b, 0, &c));
    CHECK(isnan(now.c[0]) && isnan(now.c[39]));
    EXPECT(SPNM_OK, spnm_gemm(&options, 1, &kept, &b, 0, &c));
    CHECK(isfinite(now.c[0]) && isfinite(now.c[39]));
    EXPECT(SPNM_OK, spnm_gemm(&options, 1, &kept, &b, INFINITY, &c));
    CHECK(isinf(now.c[0]) && isinf(now.c[39]));

    /* An rng that is not needed is not looked at. */
    rng.col0 = 3;
    EXPECT(SPNM_OK, COMPRESS(SPNM_MAGNITUDE));
    reset();
}

/* The text of a refusal names the argument and its value, and stays until the next one. */
#define NAMED(text, want, call)                                                            \
    do {                                                                                   \
        REFUSED(want, call);                                                               \
        if (strstr(spnm_last_error(), text) == NULL)                                       \
            fprintf(stderr, "'%s' is not in '%s'\n", text, spnm_last_error());             \
        CHECK(strstr(spnm_last_error(), text) != NULL);                                    \
    } while (0)

static void texts(void)
{
    CHECK(*spnm_last_error() == 0);
    NAMED("`b` is NULL", SPNM_E_NULL, spnm_gemm(&options, 1, &kept, NULL, 0, &c));
    NAMED("`rng` is NULL", SPNM_E_NULL, spnm_compress(&options, SPNM_MVUE, NULL, &a, &kept));
    a.data = NULL;
    NAMED("the data of `a` is NULL", SPNM_E_NULL, COMPRESS(SPNM_MVUE));
    options.struct_size = 3;
    NAMED("`options->struct_size` is 3:", SPNM_E_STRUCT_SIZE, GEMM());
    options.flags = 4;
    NAMED("`options->flags` is 4:", SPNM_E_OPTION, GEMM());
    options.isa = 99;
    NAMED("`options->isa` is 99:", SPNM_E_ISA, GEMM());
    NAMED("`method` is 77:", SPNM_E_OPTION, COMPRESS(77));
    kept.m = 5;
    NAMED("2:5 ", SPNM_E_PATTERN, COMPRESS(SPNM_KEEP));
    out.dtype = 7;
    NAMED("`out->dtype` is 7:", SPNM_E_DTYPE, PRUNE(SPNM_MVUE));
    c.reserved = 9;
    NAMED("`c->reserved` is 9:", SPNM_E_OPTION, PRUNE_GEMM(SPNM_MVUE));
    b.rows = 7;
    NAMED("7", SPNM_E_SHAPE, GEMM());
    kept.ld_values = 3;
    NAMED("3", SPNM_E_STRIDE, GEMM());
    kept.ld_meta = SIZE_MAX / 2;
    NAMED("`a.ld_meta` is too large: ", SPNM_E_OVERFLOW, GEMM());
    b.row_stride = PTRDIFF_MAX;
    NAMED("b is too large for the address space", SPNM_E_OVERFLOW, GEMM());
    NAMED("`rows` is too large: ", SPNM_E_OVERFLOW,
          spnm_compressed_layout(SIZE_MAX / 2, 8, 2, 4, 1, &now.ld_values, &now.ld_meta));
    rng.col0 = 6;
    NAMED("`col0` is 6,", SPNM_E_SHAPE, COMPRESS(SPNM_MVUE));
    EXPECT(SPNM_OK, DECOMPRESS());
    CHECK(strstr(spnm_last_error(), "`col0` is 6,") != NULL);
    reset();
}

int main(void)
{
    reset();
    texts();
    nulls();
    option_mistakes();
    pattern_and_dtype_mistakes();
    shape_mistakes();
    stride_mistakes();
    overflows();
    overlaps();
    contents();
    harmless();
    for (int status = SPNM_E_NULL; status >= SPNM_E_ISA; status--)
        CHECK(reached[-status]);
    return common_report("errors");
}
