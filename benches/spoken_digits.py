#!/usr/bin/env python3
"""Make spoken digits with eSpeak NG, and count the samples of a WaveNet that a classifier recognises.

    benches/spoken_digits.py make DIGITS
    frit train wavenet --data DIGITS --set data.rate=4000 --set data.length=2048 --set wavenet.length=2048 ...
    benches/spoken_digits.py count RUN DIGITS [--frit PROGRAM] [-n N] [--temperature T] [--seed N]

`make` writes a folder for each word, with a .wav for each voice, pitch and speed; sounds begin where speech does. It
needs `espeak-ng`. `count` trains a convolutional network of log spectrograms on the sounds of all voices but the last,
prints its accuracy on that voice, draws N samples of each class from RUN, and prints the share that it recognises as the class
asked for. It needs PyTorch and the program `frit`.
"""

import argparse
import subprocess
import tempfile
import tomllib
import wave
from pathlib import Path

import numpy as np

WORDS = "zero one two three four five six seven eight nine".split()
VOICES = "en-gb en-us en-gb-scotland en-029 en-us+f1 en-us+f2 en-us+f4 en-us+m2 en-us+m5".split()
PITCHES, SPEEDS = (35, 45, 55, 65), (180, 200)
# A sound's length in seconds: 2,048 samples at a rate of 4,000.
SECONDS = 0.512
# Samples below this part of the loudest are silence.
SILENCE = 0.02


def read(path):
    """The samples of a WAV file in [-1, 1], and its rate."""
    with wave.open(str(path)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return data.astype(np.float32) / 32768, file.getframerate()


def make(folder):
    """Write the sounds."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as spoken:
        for word in WORDS:
            place = Path(folder, word)
            place.mkdir(parents=True, exist_ok=True)
            for number, (voice, pitch, speed) in enumerate((v, p, s) for v in VOICES for p in PITCHES for s in SPEEDS):
                options = ["-v", voice, "-p", str(pitch), "-s", str(speed), "-w", spoken.name]
                subprocess.run(["espeak-ng", *options, word], check=True)
                sound, rate = read(spoken.name)
                loud = np.flatnonzero(np.abs(sound) > SILENCE * np.abs(sound).max())
                sound = sound[loud[0] :][: int(SECONDS * rate)].copy()
                end = min(len(sound), rate // 50)
                sound[len(sound) - end :] *= np.linspace(1, 0, end, dtype=np.float32)
                sound *= 0.9 / np.abs(sound).max()
                with wave.open(str(place / f"{number:03}.wav"), "wb") as file:
                    file.setparams((1, 2, rate, 0, "NONE", ""))
                    file.writeframes((sound * 32767).astype(np.int16).tobytes())


def spectrogram(sounds):
    """Log magnitudes of short Fourier transforms, [sounds, 1, frequencies, times]."""
    import torch

    window = torch.hann_window(128)
    return torch.log(torch.stft(sounds, 128, 64, window=window, return_complex=True).abs() + 1e-2)[:, None]


def of_length(sound, length):
    """The sound, cut or followed by silence."""
    return np.pad(sound[:length], (0, max(0, length - len(sound))))


def resampled(sound, given, rate):
    """The sound at a lower rate, without the frequencies that it cannot have."""
    count = int(len(sound) * rate / given)
    spectrum = np.fft.rfft(sound)[: count // 2 + 1]
    return (np.fft.irfft(spectrum, count) * count / len(sound)).astype(np.float32)


def written(run, program, rate, length, folder, options):
    """The samples of each class that `frit sample` writes to the folder."""
    rows, labels = [], []
    for label, word in enumerate(WORDS):
        place, one = Path(folder, word), Path(folder, f"{word}.wav")
        command = [program, "sample", str(run), "--class", word, "--length", str(length), *options]
        subprocess.run([*command, "--files", str(place), "--out", str(one)], check=True, stdout=subprocess.DEVNULL)
        for path in sorted(place.glob("*.wav")):
            sound, given = read(path)
            assert given == rate, f"{path} has {given} samples a second"
            rows.append(of_length(sound, length))
            labels.append(label)
    return np.stack(rows), np.array(labels)


def count(run, digits, program, options, seed):
    """Train the classifier and print its counts."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    data = tomllib.loads(Path(run, "config.toml").read_text())["data"]
    rate, length = data["rate"], data["length"]
    with tempfile.TemporaryDirectory() as folder:
        rows, labels, voices = [], [], []
        for label, word in enumerate(WORDS):
            for path in sorted(Path(digits, word).glob("*.wav")):
                sound, given = read(path)
                rows.append(of_length(resampled(sound, given, rate), length))
                labels.append(label)
                voices.append(int(path.stem) // (len(PITCHES) * len(SPEEDS)))
        samples, asked = written(run, program, rate, length, folder, options)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    x, y = torch.from_numpy(np.stack(rows)), torch.tensor(labels)
    last = torch.tensor(voices) == len(VOICES) - 1
    test, train = torch.where(last)[0], torch.where(~last)[0]
    layers = lambda a, b: [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]
    net = nn.Sequential(*layers(1, 16), *layers(16, 32), *layers(32, 32), nn.Flatten(), nn.Dropout(0.3), nn.LazyLinear(10))
    net(spectrogram(x[:2]))
    adam = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(30):
        for rows in train[torch.randperm(len(train))].split(32):
            # Loudness and noise, since samples have both.
            sounds = x[rows] * (0.5 + torch.rand(len(rows), 1))
            sounds = sounds + 0.02 * torch.rand(len(rows), 1) * torch.randn(sounds.shape)
            loss = F.cross_entropy(net(spectrogram(sounds)), y[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
    net.eval()
    with torch.no_grad():
        held_out = (net(spectrogram(x[test])).argmax(1) == y[test]).double().mean()
        p = net(spectrogram(torch.from_numpy(samples))).softmax(1)
    right = p.argmax(1).numpy() == asked
    print(f"classifier: {held_out:.3f} of {len(test)} sounds of the voice that it has not heard")
    print(f"samples: {right.mean():.3f} of {len(asked)} recognised; {(p.amax(1) >= 0.9).double().mean():.3f} surely")
    print("  ".join(f"{word} {right[asked == label].mean():.2f}" for label, word in enumerate(WORDS)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("make").add_argument("digits")
    counted = commands.add_parser("count")
    counted.add_argument("run")
    counted.add_argument("digits")
    counted.add_argument("--frit", default="frit")
    counted.add_argument("-n", type=int, default=20)
    counted.add_argument("--temperature", type=float, default=1.0)
    counted.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.command == "make":
        return make(args.digits)
    options = ["-n", str(args.n), "--temperature", str(args.temperature), "--seed", str(args.seed)]
    count(args.run, args.digits, args.frit, options, args.seed)


if __name__ == "__main__":
    main()
