// One of two translation units that include the headers: the C++ layer, with and without exceptions.
#include <spnm.hpp>

#include <cstdio>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

int failures_of_the_other_unit(const spnm::compressed &kept, const float *b, const float *want);

static int checks, failures;

static void check(bool so, const char *what, int line) {
    checks++;
    if (!so) {
        failures++;
        std::printf("one.cpp:%d: not so: %s\n", line, what);
    }
}
#define CHECK(condition) check(condition, #condition, __LINE__)

static_assert(!std::is_copy_constructible<spnm::pool>::value, "a pool has one owner");
static_assert(!std::is_copy_constructible<spnm::compressed>::value, "buffers have one owner");
static_assert(std::is_nothrow_move_constructible<spnm::pool>::value, "");
static_assert(std::is_nothrow_move_assignable<spnm::compressed>::value, "");

int main() {
    const std::size_t tokens = 64, out = 24, in = 40;
    std::vector<float> d(tokens * out), x(tokens * in), dw(out * in), fused(out * in);
    for (std::size_t i = 0; i < d.size(); i++)
        d[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 32;
    for (std::size_t i = 0; i < x.size(); i++)
        x[i] = static_cast<float>(static_cast<int>(i * 53 % 89) - 44) / 32;

    spnm::pool pool(3);
    const spnm_options options = pool.options();
    const spnm_rng rng{1, 2, 0, 0};
    const spnm_matrix a = spnm::transpose(spnm::view(d.data(), tokens, out));
    const spnm_matrix b = spnm::view(x.data(), tokens, in), c = spnm::view(dw.data(), out, in);
    const spnm_matrix c2 = spnm::view(fused.data(), out, in);

    spnm::compressed kept(out, tokens, 2, 4);
    spnm::check(spnm_compress(&options, SPNM_MVUE, &rng, &a, kept.get()));
    spnm::check(spnm_gemm(&options, 1, kept.get(), &b, 0, &c));
    spnm::check(spnm_prune_gemm(&options, SPNM_MVUE, &rng, 2, 4, 1, 1, &a, &b, 0, &c2));
    CHECK(std::memcmp(dw.data(), fused.data(), dw.size() * sizeof(float)) == 0);

    // A move takes the buffers along.
    const float *values = kept.values();
    spnm::compressed moved(std::move(kept));
    CHECK(moved.values() == values && moved.get()->values == values);
    CHECK(kept.get()->values == nullptr && kept.get()->rows == 0);
    CHECK(failures_of_the_other_unit(moved, x.data(), dw.data()) == 0);

    // Rows that share indices: the last row of meta is of one row alone.
    const std::size_t few = 5;
    spnm::compressed shared(few, tokens, 2, 4, 2);
    const spnm_matrix head = spnm::view(x.data(), few, tokens);
    spnm::check(spnm_compress(&options, SPNM_MVUE, &rng, &head, shared.get()));
    CHECK(shared.get()->group == 2 && spnm_validate(shared.get(), nullptr, nullptr) == SPNM_OK);
    std::vector<float> expanded(few * tokens), pruned(few * tokens);
    const spnm_matrix e = spnm::view(expanded.data(), few, tokens), p = spnm::view(pruned.data(), few, tokens);
    spnm::check(spnm_decompress(&options, shared.get(), &e));
    spnm::check(spnm_prune(&options, SPNM_MVUE, &rng, 2, 4, 2, &head, &p));
    CHECK(std::memcmp(expanded.data(), pruned.data(), pruned.size() * sizeof(float)) == 0);

    // Errors, both ways.
    int thrown = 0;
    try {
        spnm::check(SPNM_E_SHAPE); // of another thread: none in this one so far
    } catch (const spnm::error &e) {
        thrown += e.status() == SPNM_E_SHAPE && std::strcmp(e.what(), spnm_status_message(SPNM_E_SHAPE)) == 0;
    }
    try {
        spnm::compressed wrong(4, 4, 3, 4);
    } catch (const spnm::error &e) {
        thrown += e.status() == SPNM_E_PATTERN && std::strstr(e.what(), "3:4 ") != nullptr;
    }
    try {
        spnm::pool none(0);
    } catch (const spnm::error &e) {
        thrown += e.status() == SPNM_E_OPTION;
    }
    try {
        throw spnm::error(SPNM_E_MEMORY);
    } catch (const std::exception &e) {
        thrown += std::strcmp(e.what(), spnm_status_message(SPNM_E_MEMORY)) == 0;
    }
    CHECK(thrown == 4);
    CHECK(reinterpret_cast<std::uintptr_t>(shared.values()) % 64 == 0);
    spnm::pool unchanged;
    CHECK(spnm::pool::create(0, unchanged) == SPNM_E_OPTION && unchanged.get() == nullptr);
    spnm::compressed same;
    CHECK(spnm::compressed::create(8, 8, 2, 4, same) == SPNM_OK && same.get()->ld_values == 4);
    CHECK(spnm::compressed::create(8, 8, 5, 4, same) == SPNM_E_PATTERN && same.get()->ld_values == 4);

    std::printf("%-10s %d checks, %d failed\n", "cpp", checks, failures);
    return failures != 0;
}
