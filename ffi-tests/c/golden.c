/* Known bits: values, metadata and product of a 3 x 18 matrix, every pattern, two methods, every level. */
#include "common.h"

struct golden {
    uint32_t n, m, method;
    size_t ld_values, ld_meta;
    uint32_t values[3 * 16];
    uint8_t meta[3 * 16];
    uint32_t c[9];
};
#include "golden.h"

int main(void)
{
    float a[3 * 18], b[18 * 3];
    common_fill(a, 3 * 18, 2024);
    common_fill(b, 18 * 3, 77);
    spnm_matrix av = common_view(a, 3, 18), bv = common_view(b, 18, 3);
    for (uint32_t isa = SPNM_ISA_AUTO; isa <= SPNM_ISA_NEON; isa++) {
        spnm_options options = common_options(isa, NULL);
        for (size_t i = 0; i < sizeof goldens / sizeof *goldens && spnm_isa_available(isa); i++) {
            const struct golden *g = &goldens[i];
            spnm_compressed out = common_compressed(3, 18, g->n, g->m);
            CHECK(out.ld_values == g->ld_values && out.ld_meta == g->ld_meta);
            spnm_rng rng = {0x0123456789abcdefu, 0xfedcba9876543210u, 5, 3 * g->m};
            EXPECT(SPNM_OK, spnm_compress(&options, g->method, &rng, &av, &out));
            CHECK(memcmp(out.values, g->values, 3 * g->ld_values * sizeof(float)) == 0);
            CHECK(memcmp(out.meta, g->meta, 3 * g->ld_meta) == 0);
            float c[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
            spnm_matrix cv = common_view(c, 3, 3);
            EXPECT(SPNM_OK, spnm_gemm(&options, 1, &out, &bv, 1, &cv));
            CHECK(memcmp(c, g->c, sizeof c) == 0);
            for (int e = 0; e < 9; e++)
                c[e] = 1;
            EXPECT(SPNM_OK, spnm_prune_gemm(&options, g->method, &rng, g->n, g->m, 1, 1, &av, &bv, 1, &cv));
            CHECK(memcmp(c, g->c, sizeof c) == 0);
            free(out.values);
            free(out.meta);
        }
    }
    return common_report("golden");
}
