//! Sound: WAV files, µ-law codes of eight bits, and other sampling rates.

use crate::io::error::{Context, ErrorKind, Result, bail};
use crate::io::files;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use std::f64::consts::PI;
use std::io::{BufReader, Cursor};
use std::path::Path;

/// The code of silence.
pub const SILENCE: u8 = 128;
/// µ of µ-law.
const MU: f64 = 255.0;
/// Zero crossings of the resampling window on each side.
const CROSSINGS: f64 = 16.0;
/// Samples of a file, at most: an hour and a half at 48 kHz.
const MAX_SAMPLES: u64 = 1 << 28;
/// The lowest rate of a file.
const MIN_RATE: u32 = 100;

/// The µ-law code of a sample in [−1, 1] (ITU-T G.711's curve, in 256 equal steps).
pub fn encode(x: f32) -> u8 {
    let x = f64::from(x).clamp(-1.0, 1.0);
    let y = x.signum() * (MU * x.abs()).ln_1p() / MU.ln_1p();
    ((y + 1.0) / 2.0 * MU + 0.5) as u8
}

/// The sample of a µ-law code.
pub fn decode(code: u8) -> f32 {
    let y = 2.0 * f64::from(code) / MU - 1.0;
    (y.signum() * ((y.abs() * MU.ln_1p()).exp_m1() / MU)) as f32
}

/// Reads a WAV file: samples in [−1, 1], the mean over its channels, at a rate of `rate` samples a second.
///
/// # Errors
/// [`ErrorKind::Data`] if the file cannot be read or is not a WAV file of integers or floats.
pub fn read_wav(path: &Path, rate: u32) -> Result<Vec<f32>> {
    let damaged = || format!("cannot read the sound {}; convert it to WAV of 16 bits", path.display());
    let reader = WavReader::new(BufReader::new(files::open(path)?)).with_context(ErrorKind::Data, damaged)?;
    let WavSpec { channels, sample_rate, bits_per_sample, sample_format } = reader.spec();
    if sample_rate < MIN_RATE {
        bail!(Data, "{} has {sample_rate} samples a second; convert it to {MIN_RATE} or more", path.display());
    }
    let given = u64::from(reader.len());
    let resampled_to = given.saturating_mul(rate.into()) / u64::from(sample_rate);
    if channels == 0 || given.max(resampled_to) > MAX_SAMPLES {
        bail!(Data, "{} has {channels} channels and {} samples; use a shorter sound", path.display(), reader.len());
    }
    let samples: std::result::Result<Vec<f32>, hound::Error> = match sample_format {
        SampleFormat::Float => reader.into_samples::<f32>().collect(),
        SampleFormat::Int => {
            let full = f64::from(bits_per_sample - 1).exp2();
            reader.into_samples::<i32>().map(|x| x.map(|x| (f64::from(x) / full) as f32)).collect()
        }
    };
    let samples = samples.with_context(ErrorKind::Data, damaged)?;
    if !samples.iter().all(|x| x.is_finite()) {
        bail!(Data, "{} has samples that are no numbers; convert it to WAV of 16 bits", path.display());
    }
    let channels = usize::from(channels);
    let mono: Vec<f32> =
        samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    Ok(resampled(&mono, sample_rate, rate))
}

/// The sound at another rate, by sinc interpolation under a Hann window; frequencies above half of the lower rate are
/// left out.
pub fn resampled(x: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to {
        return x.to_vec();
    }
    let step = f64::from(from) / f64::from(to);
    // The share of the old band that stays.
    let band = (1.0 / step).min(1.0);
    let reach = CROSSINGS / band;
    let length = (x.len() as f64 / step).round() as usize;
    let sample = |at: usize| {
        let centre = at as f64 * step;
        let first = (centre - reach).ceil().max(0.0) as usize;
        let last = ((centre + reach).floor() as usize).min(x.len() - 1);
        let term = |i: usize| {
            let t = i as f64 - centre;
            let phase = PI * band * t;
            let sinc = if phase.abs() < 1e-9 { 1.0 } else { phase.sin() / phase };
            f64::from(x[i]) * band * sinc * (0.5 + 0.5 * (PI * t / reach).cos())
        };
        (first..=last).map(term).sum::<f64>() as f32
    };
    (0..length).map(sample).collect()
}

/// The bytes of a WAV file of these µ-law codes: 16 bits, mono.
pub fn wav(codes: &[u8], rate: u32) -> Vec<u8> {
    let spec = WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut bytes = Cursor::new(Vec::new());
    let write = |bytes: &mut Cursor<Vec<u8>>| -> std::result::Result<(), hound::Error> {
        let mut writer = WavWriter::new(bytes, spec)?;
        for &code in codes {
            writer.write_sample((decode(code) * f32::from(i16::MAX)).round() as i16)?;
        }
        writer.finalize()
    };
    write(&mut bytes).expect("memory takes every byte, and samples of 16 bits");
    bytes.into_inner()
}

/// Saves these µ-law codes as a WAV file.
///
/// # Errors
/// [`ErrorKind::File`] if the file cannot be written.
pub fn write_wav(path: &Path, codes: &[u8], rate: u32) -> Result<()> {
    files::write(path, &wav(codes, rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of the curve are 2 ln(256) (1 + 255 |x|) / 255² wide.
    #[test]
    fn codes_are_near_their_samples() {
        assert_eq!((encode(0.0), encode(1.0), encode(-1.0), encode(7.0)), (SILENCE, 255, 0, 255));
        for code in 0..=255 {
            assert_eq!(encode(decode(code)), code);
        }
        for i in -1000..=1000 {
            let x = i as f32 / 1000.0;
            let step = 2.0 * MU.ln_1p() * (1.0 + MU * f64::from(x.abs())) / MU / MU;
            assert!(f64::from((decode(encode(x)) - x).abs()) < 0.6 * step, "{x}");
        }
    }

    /// A tone keeps its frequency and amplitude at another rate; one above the band is left out.
    #[test]
    fn tones_stay_at_other_rates() {
        let tone = |hertz: f64, rate: u32, count: usize| -> Vec<f32> {
            (0..count).map(|i| (2.0 * PI * hertz * i as f64 / f64::from(rate)).sin() as f32).collect()
        };
        for (from, to) in [(22_050, 8_000), (8_000, 11_025), (44_100, 8_000)] {
            let made = resampled(&tone(440.0, from, from as usize), from, to);
            assert_eq!(made.len(), to as usize);
            let expected = tone(440.0, to, to as usize);
            let middle = 500..to as usize - 500;
            let worst = middle.map(|i| (made[i] - expected[i]).abs()).fold(0.0, f32::max);
            assert!(worst < 0.01, "{from} to {to}: {worst}");
        }
        let high = resampled(&tone(6_000.0, 22_050, 22_050), 22_050, 8_000);
        assert!(high[500..7_500].iter().all(|x| x.abs() < 0.01), "6 kHz does not fit 8,000 samples a second");
        assert!(resampled(&[], 8_000, 4_000).is_empty());
    }

    #[test]
    fn files_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let codes: Vec<u8> = (0..2000).map(|i| (i * i % 251) as u8).collect();
        write_wav(&path, &codes, 8_000).unwrap();
        let read: Vec<u8> = read_wav(&path, 8_000).unwrap().into_iter().map(encode).collect();
        // 16 bits are less than the steps near zero by far.
        assert!(read.iter().zip(&codes).all(|(a, b)| a.abs_diff(*b) <= 1));
        assert_eq!(read_wav(&path, 4_000).unwrap().len(), 1000);
        std::fs::write(&path, b"RIFF????WAVE").unwrap();
        let message = read_wav(&path, 8_000).unwrap_err().to_string();
        assert!(message.contains("cannot read the sound"), "{message}");
    }
}
