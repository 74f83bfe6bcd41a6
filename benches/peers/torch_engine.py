"""frit's workloads on PyTorch: torch_engine.py <eager|fused|compiled|double|graphs> [--device cpu|cuda] [--seconds S]"""

import argparse

import torch
import torch.nn.functional as F
from protocol import CONVOLUTION_FLOPS, PRODUCTS, Engine, Workload, serve
from torch_models import Discriminator, Flow, Generator, Vae, VqVae


class Training(Workload):
    """`raw` is a step, which CUDA graphs record once and replay; it leaves its loss in `last`."""

    def __init__(self, mode, device, *networks):
        self.networks = [network.to(device) for network in networks]
        self.parameters = sum(p.numel() for network in networks for p in network.parameters())
        self.mode, self.graph = mode, None

    def adam(self, network, lr=1e-3, beta1=0.9):
        # A recorded optimiser keeps its count of steps on the device.
        kind = {"eager": {}, "double": {}, "fused": {"fused": True}, "compiled": {"fused": True}}
        return torch.optim.Adam(network.parameters(), lr=lr, betas=(beta1, 0.999),
                                **kind.get(self.mode, {"fused": True, "capturable": True}))

    def record(self):
        """A few steps beside the stream, as CUDA graphs want it, then one that is recorded."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.raw()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.raw()

    def step(self):
        if self.mode != "graphs":
            return self.raw()
        if self.graph is None:
            self.record()
        self.graph.replay()

    def loss(self):
        return float(self.last)


class Single(Training):
    """One network, one optimiser: `forward` gives its loss and what is reported of it."""

    def __init__(self, mode, device, network, x):
        super().__init__(mode, device, network)
        self.x = x.to(device)
        self.network = self.networks[0]
        self.call = torch.compile(self.network) if mode == "compiled" else self.network
        self.optimiser = self.adam(self.network)

    def raw(self):
        self.optimiser.zero_grad(set_to_none=self.mode != "graphs")
        loss = self.call(self.x)
        loss, self.last = loss if isinstance(loss, tuple) else (loss, loss)
        loss.backward()
        self.last = self.last.detach()
        self.optimiser.step()


class Gan(Training):
    """One step of D, on real and on generated images, each normalised by its own batch, and one of G."""

    def __init__(self, mode, device):
        super().__init__(mode, device, Generator(), Discriminator())
        self.device = device
        self.generator, self.discriminator = self.networks
        self.of_generator, self.of_discriminator = (self.adam(network, 2e-4, 0.5) for network in self.networks)
        self.real = torch.rand(64, 1, 32, 32, device=device) * 2 - 1
        compiled = torch.compile if mode == "compiled" else lambda call: call
        self.d_loss, self.g_loss = compiled(self.d_loss), compiled(self.g_loss)

    def latents(self):
        return torch.randn(64, 100, 1, 1, device=self.device)

    def d_loss(self, real):
        with torch.no_grad():
            fake = self.generator(self.latents())
        return F.softplus(-self.discriminator(real)).mean() + F.softplus(self.discriminator(fake)).mean()

    def g_loss(self):
        return F.softplus(-self.discriminator(self.generator(self.latents()))).mean()

    def raw(self):
        keep = self.mode == "graphs"
        self.of_discriminator.zero_grad(set_to_none=not keep)
        loss = self.d_loss(self.real)
        loss.backward()
        self.last = loss.detach()
        self.of_discriminator.step()
        # The gradient passes through D, whose parameters want none.
        self.discriminator.requires_grad_(False)
        self.of_generator.zero_grad(set_to_none=not keep)
        self.g_loss().backward()
        self.of_generator.step()
        self.discriminator.requires_grad_(True)


class Kernel(Workload):
    """Something that is computed and dropped."""

    def __init__(self, mode, call, flops=None):
        self.call = torch.compile(call) if mode == "compiled" else call
        self.flops = flops

    @torch.no_grad()
    def step(self):
        self.y = self.call()


def build(mode, device, name):
    random = lambda *shape: torch.rand(*shape, device=device)
    if name == "mlp-vae":
        return Single(mode, device, Vae(False), random(128, 784))
    if name == "conv-vae":
        return Single(mode, device, Vae(True), random(128, 1, 28, 28))
    if name == "vqvae":
        return Single(mode, device, VqVae(), random(32, 3, 32, 32) - 0.5)
    if name == "dcgan":
        return Gan(mode, device)
    if name == "flow-matching":
        return Single(mode, device, Flow(), 2 * random(64, 1, 28, 28) - 1)
    if name in PRODUCTS:
        side = PRODUCTS[name]
        a, b = random(side, side) - 0.5, random(side, side) - 0.5
        return Kernel("eager", lambda: a @ b, 2 * side**3)
    if name == "convolution":
        x, w = random(32, 64, 32, 32) - 0.5, random(64, 64, 3, 3) - 0.5
        return Kernel("eager", lambda: F.conv2d(x, w, padding=1), CONVOLUTION_FLOPS)
    if name == "decode":
        decoder, z = Vae(False).decoder.to(device), torch.randn(10_000, 20, device=device)
        return Kernel(mode, lambda: torch.sigmoid(decoder(z)))
    raise LookupError(f"no workload is called {name}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("eager", "fused", "compiled", "double", "graphs"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seconds", type=float, default=2)
    args = parser.parse_args()
    cuda = args.device == "cuda"
    if args.mode == "graphs" and not cuda:
        parser.error("CUDA graphs need --device cuda")
    torch.manual_seed(1)
    if args.mode == "double":
        torch.set_default_dtype(torch.float64)
    # As everywhere here; cuDNN would round the factors of convolutions to ten bits.
    torch.backends.cudnn.allow_tf32 = False

    def versions():
        device = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}" if cuda else "CPU"
        return {"torch": torch.__version__, "device": device, "threads": torch.get_num_threads()}

    sync = (lambda _: torch.cuda.synchronize()) if cuda else (lambda _: None)
    serve(Engine(lambda name: build(args.mode, args.device, name), sync, versions, args.seconds))


if __name__ == "__main__":
    main()
