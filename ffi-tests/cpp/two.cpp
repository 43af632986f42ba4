// The other translation unit: the same headers, twice.
#include <spnm.h>
#include <spnm.hpp>
#include <spnm.hpp>

#include <cstring>
#include <vector>

int failures_of_the_other_unit(const spnm::compressed &kept, const float *b, const float *want);

int failures_of_the_other_unit(const spnm::compressed &kept, const float *b, const float *want) {
    const std::size_t out = kept.get()->rows, tokens = kept.get()->cols, in = 40;
    std::vector<float> c(out * in);
    const spnm_matrix bv = spnm::view(b, tokens, in), cv = spnm::view(c.data(), out, in);
    const spnm_status status = spnm_gemm(nullptr, 1, kept.get(), &bv, 0, &cv);
    return (status != SPNM_OK) + (std::memcmp(c.data(), want, c.size() * sizeof(float)) != 0);
}
