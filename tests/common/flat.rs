//! Whether the memory of a process stays what it is.

/// Fails if the last third of the samples is larger than the first by more than this; what both are.
#[track_caller]
pub fn assert_flat(what: &str, samples: &[u64], growth_bytes_max: u64) -> (u64, u64) {
    let third = samples.len() / 3;
    assert!(third >= 3, "too short to tell: {samples:?}");
    let (first, last) = (median(&samples[..third]), median(&samples[2 * third..]));
    assert!(
        last <= first + growth_bytes_max,
        "the memory of {what} grew from {first} to {last} bytes: {samples:?}"
    );
    (first, last)
}

/// Buffers that are larger for a moment do not show in it; what stays does.
fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
