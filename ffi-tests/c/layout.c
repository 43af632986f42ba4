/* The ABI: sizes, offsets, numbers, versions. */
#include "common.h"

#define SAME(a, b) _Static_assert((a) == (b), #a " == " #b)
#define AT(type, field, at) SAME(offsetof(type, field), at)

SAME(sizeof(void *), 8); /* the offsets below are those of 64 bits */
SAME(sizeof(spnm_status), 4);
SAME(sizeof(spnm_matrix), 48);
AT(spnm_matrix, data, 0);
AT(spnm_matrix, rows, 8);
AT(spnm_matrix, cols, 16);
AT(spnm_matrix, row_stride, 24);
AT(spnm_matrix, col_stride, 32);
AT(spnm_matrix, dtype, 40);
AT(spnm_matrix, reserved, 44);
SAME(sizeof(spnm_compressed), 64);
AT(spnm_compressed, values, 0);
AT(spnm_compressed, meta, 8);
AT(spnm_compressed, rows, 16);
AT(spnm_compressed, cols, 24);
AT(spnm_compressed, ld_values, 32);
AT(spnm_compressed, ld_meta, 40);
AT(spnm_compressed, n, 48);
AT(spnm_compressed, m, 52);
AT(spnm_compressed, dtype, 56);
AT(spnm_compressed, group, 60);
SAME(sizeof(spnm_rng), 32);
AT(spnm_rng, seed, 0);
AT(spnm_rng, stream, 8);
AT(spnm_rng, row0, 16);
AT(spnm_rng, col0, 24);
SAME(sizeof(spnm_options), 24);
AT(spnm_options, struct_size, 0);
AT(spnm_options, isa, 8);
AT(spnm_options, flags, 12);
AT(spnm_options, pool, 16);
SAME(sizeof(spnm_lognormal), 32);
AT(spnm_lognormal, struct_size, 0);
AT(spnm_lognormal, mu, 8);
AT(spnm_lognormal, sigma, 16);
AT(spnm_lognormal, zeros, 24);
SAME(sizeof(spnm_analysis), 72);
AT(spnm_analysis, struct_size, 0);
AT(spnm_analysis, energy, 8);
AT(spnm_analysis, mvue_variance, 16);
AT(spnm_analysis, mvue_approx_variance, 24);
AT(spnm_analysis, greedy_mse, 32);
AT(spnm_analysis, greedy_squared_bias, 40);
AT(spnm_analysis, greedy_cosine, 48);
AT(spnm_analysis, above_water_level, 56);
AT(spnm_analysis, zeros, 64);

SAME(SPNM_OK, 0);
SAME(SPNM_E_NULL, -1);
SAME(SPNM_E_STRUCT_SIZE, -2);
SAME(SPNM_E_OPTION, -3);
SAME(SPNM_E_PATTERN, -4);
SAME(SPNM_E_DTYPE, -5);
SAME(SPNM_E_SHAPE, -6);
SAME(SPNM_E_STRIDE, -7);
SAME(SPNM_E_OVERFLOW, -8);
SAME(SPNM_E_OVERLAP, -9);
SAME(SPNM_E_NOT_NM, -10);
SAME(SPNM_E_META, -11);
SAME(SPNM_E_ISA, -12);
SAME(SPNM_E_MEMORY, -13);
SAME(SPNM_E_PANIC, -14);
SAME(SPNM_F32, 0);
SAME(SPNM_BF16, 1);
SAME(SPNM_F16, 2);
SAME(SPNM_KEEP, 0);
SAME(SPNM_MAGNITUDE, 1);
SAME(SPNM_MVUE, 2);
SAME(SPNM_MVUE_APPROX, 3);
SAME(SPNM_SOFT_THRESHOLD, 4);
SAME(SPNM_ISA_AUTO, 0);
SAME(SPNM_ISA_PORTABLE, 1);
SAME(SPNM_ISA_AVX2, 2);
SAME(SPNM_ISA_AVX512, 3);
SAME(SPNM_ISA_NEON, 4);
SAME(SPNM_VERSION, SPNM_VERSION_MAJOR * 65536 + SPNM_VERSION_MINOR * 256 + SPNM_VERSION_PATCH);

/* The declarations, against the interface's own: a compile-time check. */
static spnm_status (*const gemm)(const spnm_options *, float, const spnm_compressed *, const spnm_matrix *,
                                 float, const spnm_matrix *) = spnm_gemm;
static spnm_status (*const prune_gemm)(const spnm_options *, uint32_t, const spnm_rng *, uint32_t, uint32_t,
                                       uint32_t, float, const spnm_matrix *, const spnm_matrix *, float,
                                       const spnm_matrix *) = spnm_prune_gemm;
static spnm_status (*const prune)(const spnm_options *, uint32_t, const spnm_rng *, uint32_t, uint32_t, uint32_t,
                                  const spnm_matrix *, const spnm_matrix *) = spnm_prune;
static spnm_status (*const compress)(const spnm_options *, uint32_t, const spnm_rng *, const spnm_matrix *,
                                     const spnm_compressed *) = spnm_compress;
static spnm_status (*const decompress)(const spnm_options *, const spnm_compressed *,
                                       const spnm_matrix *) = spnm_decompress;
static spnm_status (*const validate)(const spnm_compressed *, size_t *, size_t *) = spnm_validate;
static spnm_status (*const scale)(const spnm_options *, uint32_t, uint32_t, const spnm_matrix *,
                                  double *) = spnm_soft_threshold_scale;
static spnm_status (*const layout)(size_t, size_t, uint32_t, uint32_t, uint32_t, size_t *,
                                   size_t *) = spnm_compressed_layout;
static spnm_status (*const pool_create)(size_t, spnm_pool **) = spnm_pool_create;
static void (*const pool_free)(spnm_pool *) = spnm_pool_free;
static int32_t (*const available)(uint32_t) = spnm_isa_available;
static const char *(*const message)(spnm_status) = spnm_status_message;

int main(void)
{
    CHECK(gemm && prune_gemm && prune && compress && decompress && validate && layout);
    CHECK(scale && pool_create && pool_free && available && message);

    CHECK(spnm_version() == SPNM_VERSION);
    CHECK(spnm_version() == (SPNM_VERSION_MAJOR << 16 | SPNM_VERSION_MINOR << 8 | SPNM_VERSION_PATCH));
    CHECK(spnm_abi_version() == SPNM_ABI_VERSION);
    char version[64];
    snprintf(version, sizeof version, "%d.%d.%d", SPNM_VERSION_MAJOR, SPNM_VERSION_MINOR, SPNM_VERSION_PATCH);
    CHECK(strcmp(spnm_version_string(), version) == 0);

    const char *info = spnm_build_info();
    CHECK(info == spnm_build_info());
    CHECK(strstr(info, version) && strstr(info, "compiled: ") && strstr(info, "detected: portable"));
    CHECK(strstr(info, "effective: ") && strstr(info, "SPNM_MAX_ISA="));
    printf("           %s\n", info);

    /* A text for every number, and one of its own for every status. */
    for (int s = SPNM_E_PANIC - 1; s <= SPNM_OK; s++)
        for (int t = s + 1; t <= SPNM_OK; t++)
            CHECK(strcmp(spnm_status_message(s), spnm_status_message(t)) != 0);
    CHECK(*spnm_status_message(INT32_MIN) && *spnm_status_message(INT32_MAX) && *spnm_status_message(1));

    static const char *const names[] = {"auto", "portable", "avx2", "avx512", "neon", "unknown"};
    for (uint32_t isa = 0; isa < 6; isa++)
        CHECK(strcmp(spnm_isa_name(isa), names[isa]) == 0);
    CHECK(strcmp(spnm_isa_name(UINT32_MAX), "unknown") == 0);
    CHECK(spnm_isa_available(SPNM_ISA_AUTO) == 1 && spnm_isa_available(SPNM_ISA_PORTABLE) == 1);
    CHECK(spnm_isa_available(5) == 0 && spnm_isa_available(UINT32_MAX) == 0);
    CHECK(spnm_isa_available(SPNM_ISA_AVX2) + spnm_isa_available(SPNM_ISA_NEON) < 2);
    CHECK(spnm_isa_available(spnm_isa_effective()) == 1);

    const char *limit = getenv("SPNM_MAX_ISA");
    for (uint32_t isa = 1; limit && isa < 5; isa++)
        if (strcmp(limit, names[isa]) == 0 && spnm_isa_available(isa))
            CHECK(spnm_isa_effective() == isa);
    if (limit && strcmp(limit, "reference") == 0) /* the level that has no number */
        CHECK(spnm_isa_effective() == SPNM_ISA_PORTABLE && strstr(info, "effective: reference;"));
    return common_report("layout");
}
