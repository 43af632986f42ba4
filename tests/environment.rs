//! What this machine is, in the words of the test log, and that detection agrees with it.

use spnm::Isa;

/// The levels that the standard library's own detection calls for.
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    expect(unused_mut, reason = "other architectures have no level of their own")
)]
fn expected() -> Vec<Isa> {
    let mut levels = vec![Isa::Reference, Isa::Portable];
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        if avx2 {
            levels.push(Isa::Avx2);
        }
        if avx2
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            levels.push(Isa::Avx512);
        }
    }
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    levels.push(Isa::Neon);
    levels
}

#[test]
fn levels() {
    let available: Vec<Isa> = Isa::available().collect();
    let names: Vec<&str> = available.iter().map(|isa| isa.name()).collect();
    println!("levels: {}", names.join(" "));
    println!("automatic: {}", Isa::effective().name());
    assert_eq!(available, expected());
    assert!(available.contains(&Isa::effective()));
}
