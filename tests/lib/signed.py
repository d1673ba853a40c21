"""Signed manifests, identities of brokers and init-data, made by `postern` as builders and operators make them."""
import base64
import json

import keys
import vm


def signer(path):
    """A key for manifests, at `path`; (path, the public key as a configuration has it)."""
    key = keys.make_ed25519()
    return keys.write_private(path, key), base64.b64encode(key.public_key().public_bytes(keys.DER, keys.SPKI)).decode()


def manifest(image, to, signers, vcpus="1"):
    """Of the image in that folder, signed by keys at these paths."""
    vm.run(vm.program("postern"), "manifest", "create", image, "--vcpus", vcpus, "--vcpu-type", "EPYC-v4", "--output", to)
    for key in signers:
        vm.run(vm.program("postern"), "manifest", "sign", to, "--key", key)
    return to


def identity_root(path, release):
    """A key for identities, at `path`; (path, what the configuration of an image of that release says about it)."""
    key = keys.p384()
    public = keys.write_public(path + ".pub", key)
    return keys.write_private(path, key), json.loads(
        vm.run(vm.program("postern"), "broker-identity", "root", public, "--release", str(release)))


def identity(to, root, broker, url, releases, name="broker"):
    """Of a vm.Broker, signed by the key at `root`, for the first to the last of `releases`."""
    with open(to + ".keys", "w", encoding="utf-8") as file:
        json.dump(broker.identity, file)
    vm.run(vm.program("postern"), "broker-identity", "sign", to + ".keys", "--key", root, "--name", name, "--url", url,
           "--first-release", str(releases[0]), "--last-release", str(releases[-1]), "--output", to)
    return to


def init_data(to, identities, name, *words):
    """With these identities; its HOST_DATA."""
    words = [word for path in identities for word in ("--identity", path)] + list(words)
    return vm.run(vm.program("postern"), "init-data", "create", to, "--name", name, *words).strip()
