"""The programs and the Vulkan loader: unpacked, with the driver's path set."""

import json
import os
import shutil
import subprocess
import tarfile

# The place of NVIDIA's driver in a container whose own folders do not name it.
NVIDIA = {
    "VK_DRIVER_FILES": "/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json",
    "__EGL_VENDOR_LIBRARY_FILENAMES": "/usr/local/nvidia/share/glvnd/egl_vendor.d/10_nvidia.json",
}


def programs(packed, work):
    """The programs by name."""
    folder = work / "bin"
    with tarfile.open(packed / "programs.tar.xz") as archive:
        names = archive.getnames()
        for name in names:
            # None of the archive's owners, and no other place than this folder.
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with archive.extractfile(name) as packed_file, open(folder / name, "wb") as file:
                shutil.copyfileobj(packed_file, file)
            os.chmod(folder / name, 0o755)
    return {name: folder / name for name in names}


def has_loader():
    try:
        return "libvulkan.so.1" in subprocess.run(["ldconfig", "-p"], capture_output=True, text=True).stdout
    except OSError:
        # A system without ldconfig: the programs will say it.
        return True


def loader(packed, work, env):
    """Unpacks the loader's packages where none is installed. Gives a sentence on what it did."""
    packages = sorted(packed.glob("*.deb"))
    if has_loader():
        return "The machine has a Vulkan loader."
    if not packages or not shutil.which("dpkg"):
        return "There is no Vulkan loader, and no package of it or no dpkg."
    root = os.geteuid() == 0
    place = "/" if root else str(work / "loader")
    try:
        for package in packages:
            subprocess.run(["dpkg", "-x", package, place], check=True)
        if root:
            subprocess.run(["ldconfig"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"There is no Vulkan loader, and its packages could not be unpacked: {error}"
    if not root:
        folders = {str(library.parent) for library in (work / "loader").rglob("*.so*")}
        env["LD_LIBRARY_PATH"] = ":".join([*sorted(folders), *filter(None, [env.get("LD_LIBRARY_PATH")])])
    return f"The Vulkan loader came from {len(packages)} packages, into {'/' if root else 'a folder of its own'}."


def hardware(frit, env):
    """Whether frit sees an adapter that is no software."""
    try:
        listed = subprocess.run([frit, "devices", "--json"], env=env, capture_output=True, text=True, timeout=30).stdout
        return any("software" not in adapter["kind"] for adapter in json.loads(listed)["adapters"])
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return False


def driver(frit, env):
    """Names NVIDIA's driver where no adapter is found without that. Gives a sentence on what it did."""
    if hardware(frit, env):
        return "frit finds a GPU."
    there = {name: path for name, path in NVIDIA.items() if name not in env and os.path.exists(path)}
    if there and hardware(frit, env | there):
        env.update(there)
        return f"frit finds a GPU with {', '.join(f'{name}={path}' for name, path in there.items())}."
    return "frit finds no GPU: what follows is of a software adapter, if there is one."
