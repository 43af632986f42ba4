// spnm for C++17: owners for what spnm.h leaves to the caller, and no logic.
//
// Two styles. With exceptions: constructors, and spnm::check around calls of spnm.h, throw spnm::error.
// Without: the static functions named create return a status and never throw, and every function of
// spnm.h returns one. Where exceptions are disabled only the second style is declared.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef SPNM_HPP
#define SPNM_HPP

#include "spnm.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define SPNM_EXCEPTIONS 1
#include <stdexcept>
#else
#define SPNM_EXCEPTIONS 0
#endif

namespace spnm {

#if SPNM_EXCEPTIONS
// A status that is not SPNM_OK.
class error : public std::runtime_error {
public:
    explicit error(spnm_status status) : std::runtime_error(spnm_status_message(status)), status_(status) {}
    error(spnm_status status, const char *what) : std::runtime_error(what), status_(status) {}
    spnm_status status() const noexcept { return status_; }

private:
    spnm_status status_;
};

// Throws what is not SPNM_OK, with the text of spnm_last_error: spnm::check(spnm_gemm(...)). So the status is to be that of the
// latest call of spnm.h in this thread that failed; for any other, throw spnm::error(status), whose text is that of
// spnm_status_message. (That is thrown, too, where no call of this thread has failed.)
inline void check(spnm_status status) {
    if (status != SPNM_OK) {
        const char *what = spnm_last_error();
        throw *what != 0 ? error(status, what) : error(status);
    }
}
#endif

// A pool of threads, freed with its owner. No call may be using it then.
class pool {
public:
    pool() noexcept = default;

    static spnm_status create(std::size_t threads, pool &out) noexcept {
        spnm_pool *made = nullptr;
        const spnm_status status = spnm_pool_create(threads, &made);
        if (status == SPNM_OK) {
            out.owned_.reset(made);
        }
        return status;
    }

#if SPNM_EXCEPTIONS
    explicit pool(std::size_t threads) { check(create(threads, *this)); }
#endif

    spnm_pool *get() const noexcept { return owned_.get(); }

    // Options for calls that use this pool.
    spnm_options options(std::uint32_t isa = SPNM_ISA_AUTO) const noexcept {
        return spnm_options{sizeof(spnm_options), isa, 0, get()};
    }

private:
    struct free {
        void operator()(spnm_pool *pool) const noexcept { spnm_pool_free(pool); }
    };
    std::unique_ptr<spnm_pool, free> owned_;
};

// Views of dense memory, row-major unless strides say otherwise. Inputs are never written, so const data may be viewed;
// do not use such a view as an output.
inline spnm_matrix view(const float *data, std::size_t rows, std::size_t cols, std::ptrdiff_t row_stride,
                        std::ptrdiff_t col_stride = 1) noexcept {
    return spnm_matrix{const_cast<float *>(data), rows, cols, row_stride, col_stride, SPNM_F32, 0};
}
inline spnm_matrix view(const float *data, std::size_t rows, std::size_t cols) noexcept {
    return view(data, rows, cols, static_cast<std::ptrdiff_t>(cols));
}
inline spnm_matrix transpose(const spnm_matrix &a) noexcept {
    return spnm_matrix{a.data, a.cols, a.rows, a.col_stride, a.row_stride, a.dtype, a.reserved};
}

// A compressed matrix that owns its buffers, without padding between rows. Compress into it:
// spnm_compress(options, method, &rng, &a, matrix.get()).
class compressed {
public:
    compressed() noexcept = default;

    // SPNM_E_MEMORY is not from a call of spnm.h, which spnm_last_error would tell more of: not for spnm::check.
    static spnm_status create(std::size_t rows, std::size_t cols, std::uint32_t n, std::uint32_t m,
                              compressed &out) noexcept {
        return create(rows, cols, n, m, 1, out);
    }
    // With one set of indices, and one row of meta, for every `group` rows.
    static spnm_status create(std::size_t rows, std::size_t cols, std::uint32_t n, std::uint32_t m,
                              std::uint32_t group, compressed &out) noexcept {
        std::size_t ld_values = 0, ld_meta = 0;
        const spnm_status status = spnm_compressed_layout(rows, cols, n, m, group, &ld_values, &ld_meta);
        if (status != SPNM_OK) {
            return status;
        }
        values_ptr values(new (std::align_val_t{line}, std::nothrow) float[rows * ld_values]());
        std::unique_ptr<std::uint8_t[]> meta(new (std::nothrow) std::uint8_t[(rows / group + (rows % group != 0)) * ld_meta]());
        if (!values || !meta) {
            return SPNM_E_MEMORY;
        }
        out.values_ = std::move(values);
        out.meta_ = std::move(meta);
        out.view_ = spnm_compressed{out.values_.get(), out.meta_.get(), rows, cols, ld_values, ld_meta,
                                    n, m, SPNM_F32, group};
        return SPNM_OK;
    }

#if SPNM_EXCEPTIONS
    compressed(std::size_t rows, std::size_t cols, std::uint32_t n, std::uint32_t m, std::uint32_t group = 1) {
        const spnm_status status = create(rows, cols, n, m, group, *this);
        if (status == SPNM_E_MEMORY) {
            throw error(status); // not of a call of spnm.h
        }
        check(status);
    }
#endif

    const spnm_compressed *get() const noexcept { return &view_; }
    const float *values() const noexcept { return values_.get(); }
    const std::uint8_t *meta() const noexcept { return meta_.get(); }

    compressed(compressed &&other) noexcept { *this = std::move(other); }
    compressed &operator=(compressed &&other) noexcept {
        values_ = std::move(other.values_);
        meta_ = std::move(other.meta_);
        view_ = std::exchange(other.view_, spnm_compressed{});
        return *this;
    }

private:
    // Values begin on a cache line, so that large ones can be written past the caches.
    static constexpr std::size_t line = 64;
    struct free_values {
        void operator()(float *values) const noexcept { ::operator delete[](values, std::align_val_t{line}); }
    };
    using values_ptr = std::unique_ptr<float[], free_values>;

    values_ptr values_;
    std::unique_ptr<std::uint8_t[]> meta_;
    spnm_compressed view_{};
};

} // namespace spnm

#endif // SPNM_HPP
