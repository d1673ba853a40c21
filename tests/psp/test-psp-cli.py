#!/usr/bin/env python3
"""postern-psp's command line: each wrong use is one sentence and a documented exit code; chips agree with openssl."""
import glob
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

PROGRAM = os.path.join(TOP, "build/bin/postern-psp")
GOOD, BAD_INPUT, SYSTEM = 0, 1, 2
DIGEST = "ab" * 48


def run(*arguments, **options):
    return subprocess.run([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                          check=False, **options)


def refused(name, code, sentence, *arguments, **options):
    """One line on standard error that holds the sentence, nothing on standard output, that exit code."""
    done = run(*arguments, **options)
    lines = done.stderr.splitlines()
    tap.ok(done.returncode == code and len(lines) == 1 and lines[0].startswith("postern-psp: ")
           and sentence in lines[0] and not done.stdout, name,
           f"exit {done.returncode}, expected {code}: {sentence}\n{done.stderr}{done.stdout}")


def test_help():
    for arguments in (["--help"], ["help"], ["init", "--help"], ["serve", "--help"]):
        done = run(*arguments)
        lines = done.stdout.splitlines()
        tap.ok(done.returncode == GOOD and not done.stderr and 5 < len(lines) <= 40 and max(map(len, lines)) <= 120,
               f"{' '.join(arguments)} fits a screen", done)
    for verb in "init", "serve":
        done = run(verb, "--help")
        tap.ok("example:" in done.stdout and "--trust-root" in done.stdout, f"{verb} --help has an example, and a warning")
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([PROGRAM, "--help"], stdout=full, stderr=subprocess.DEVNULL, check=False)
    tap.same(done.returncode, BAD_INPUT, "help that cannot be written")


def test_verbs():
    done = run()
    tap.ok(done.returncode == BAD_INPUT and "VERB" in done.stderr, "no verb: the verbs", done)
    refused("unknown verb", BAD_INPUT, 'unknown verb "launch"', "launch")


def test_init(directory):
    chip = os.path.join(directory, "chip")
    refused("init without --dir", BAD_INPUT, "--dir is missing", "init")
    refused("unknown option", BAD_INPUT, 'unknown option --colour', "init", "--dir", chip, "--colour")
    refused("short option", BAD_INPUT, 'unknown option -d', "init", "-d")
    refused("several letters", BAD_INPUT, 'unknown option -xyz', "init", "-xyz")
    refused("missing value", BAD_INPUT, "--dir needs a value: DIR", "init", "--dir")
    refused("extra argument", BAD_INPUT, 'unexpected word "more"', "init", "--dir", chip, "more")
    refused("option twice", BAD_INPUT, "--dir: given twice", "init", "--dir", chip, "--dir", chip)
    refused("unknown product", BAD_INPUT, '--product "Rome": expected Milan, Genoa or Turin', "init", "--dir", chip,
            "--product", "Rome")
    refused("empty name", BAD_INPUT, "--dir: expected DIR, found nothing", "init", "--dir", "")
    refused("no parent", SYSTEM, "cannot be made: No such file or directory", "init", "--dir", f"{directory}/no/chip")
    refused("name too long", SYSTEM, "cannot be made: File name too lo", "init", "--dir", f"{directory}/{'x' * 250}")
    tap.same(os.listdir(directory), [], "nothing half-made is left")
    done = run("init", "--dir", chip + "//")
    tap.ok(done.returncode == GOOD and len(done.stderr.splitlines()) == 1, "init, with slashes at the end", done)
    refused("init again", BAD_INPUT, "a chip is never overwritten", "init", "--dir", chip)
    refused("a file in the way", BAD_INPUT, "a chip is never overwritten", "init", "--dir", f"{chip}/chip.json")
    tap.same(os.listdir(directory), ["chip"], "nothing else was made")


def test_no_space(directory):
    """On a file system that is full: what was begun is taken away."""
    place = os.path.join(directory, "small")
    os.mkdir(place)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12k", "tmpfs", place], check=False).returncode:
        tap.ok(False, "a small file system for the test needs root")
        return
    try:
        refused("no space", SYSTEM, "No space left on device", "init", "--dir", f"{place}/chip")
        tap.same(os.listdir(place), [], "nothing half-made is left on the full disk")
    finally:
        subprocess.run(["umount", place], check=True)


def test_interrupted_init(directory):
    """SIGINT while keys are made, and later: a whole chip or nothing."""
    whole = none = 0
    for delay in (0.05, 0.3, 0.7, 1.2, 2.0):
        place = os.path.join(directory, f"interrupted-{delay}")
        os.mkdir(place)
        child = subprocess.Popen([PROGRAM, "init", "--dir", f"{place}/chip"], stderr=subprocess.DEVNULL,
                                 preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        time.sleep(delay)
        child.send_signal(signal.SIGINT)
        child.wait()
        names = os.listdir(place)
        whole += names == ["chip"] and len(os.listdir(f"{place}/chip")) == 12
        none += not names
    tap.same(whole + none, 5, "interrupted at any time")
    tap.ok(none >= 1, "and at least once before the end", f"{whole} whole, {none} none")


def test_openssl(directory):
    for product in ("milan", "Genoa", "TURIN"):
        chip = os.path.join(directory, product)
        tap.same(run("init", "--dir", chip, "--product", product).returncode, GOOD, f"init {product}")
        ark, ask, vcek = (f"{chip}/{name}.pem" for name in ("ark", "ask", "vcek"))
        done = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", ark, "-untrusted", ask, vcek],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        strict = done.stdout
        done = subprocess.run(["openssl", "verify", "-CAfile", ark, "-untrusted", ask, vcek], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        tap.same(done.stdout, f"{vcek}: OK\n", "openssl verify")
        # Genuine VCEKs have no key identifiers either, which strict X.509 wants.
        tap.ok("Missing Authority Key Identifier" in strict, "no stricter than AMD's own", strict)
        chain = f"{chip}/chain.pem"
        with open(chain, "w", encoding="ascii") as out:
            for name in (ask, ark):
                with open(name, encoding="ascii") as file:
                    out.write(file.read())
        done = subprocess.run(["openssl", "verify", "-CAfile", chain, vcek], stdout=subprocess.PIPE, text=True,
                              check=False)
        tap.same(done.stdout, f"{vcek}: OK\n", "openssl verify with the chain in AMD's order")
        text = subprocess.run(["openssl", "x509", "-in", vcek, "-noout", "-text"], stdout=subprocess.PIPE, text=True,
                              check=True).stdout
        for wanted in ("Serial Number: 0 (0x0)", "rsassaPss", "Salt Length: 0x30", "mgf1 with sha384", "P-384",
                       "OU=Engineering, C=US, L=Santa Clara, ST=CA, O=Advanced Micro Devices, CN=SEV-VCEK"):
            tap.ok(wanted in text, f"the certificate says {wanted}", text)
        for name, modulus in (("ark", "4096 bit"), ("ask", "4096 bit")):
            text = subprocess.run(["openssl", "pkey", "-in", f"{chip}/{name}.key", "-noout", "-text"],
                                  stdout=subprocess.PIPE, text=True, check=True).stdout
            tap.ok(modulus in text, f"{name}.key is RSA, {modulus}")


def test_serve_options(directory):
    chip, path = os.path.join(directory, "chip"), os.path.join(directory, "psp.sock")
    base = ["serve", "--dir", chip, "--socket", path, "--measurement", DIGEST]
    refused("serve without --dir", BAD_INPUT, "--dir is missing", "serve", "--measurement", DIGEST)
    refused("value for a flag", BAD_INPUT, "--no-certificates takes no value", *base, "--no-certificates=1")
    refused("ready descriptor that is not open", BAD_INPUT, "--ready-fd 77: no such descriptor", *base, "--ready-fd", "77")
    refused("serve without --measurement", BAD_INPUT, "--measurement is missing", "serve", "--dir", chip)
    refused("neither socket nor descriptor", BAD_INPUT, "expected one of --socket and --listen-fd, found neither",
            "serve", "--dir", chip, "--measurement", DIGEST)
    refused("both", BAD_INPUT, "expected one of --socket and --listen-fd, found both", *base, "--listen-fd", "3")
    refused("short digest", BAD_INPUT, "--measurement: 94 characters, expected 96 hexadecimal digits (48 bytes)",
            *base[:-1], DIGEST[:-2])
    refused("digest that is no number", BAD_INPUT, "--measurement: something else than hexadecimal digits", *base[:-1],
            "g" * 96)
    for option, size in (("host-data", 32), ("family-id", 16), ("image-id", 16), ("id-key-digest", 48),
                         ("author-key-digest", 48)):
        refused(f"--{option} of another size", BAD_INPUT,
                f"--{option}: 2 characters, expected {2 * size} hexadecimal digits ({size} bytes)", *base,
                f"--{option}", "00")
    for option, least, most in (("guest-svn", 0, 2**32 - 1), ("report-version", 2, 5), ("policy", 0, 2**64 - 1)):
        for value in ("", "x", "-1", "+1", " 1", "1 ", "0x", "0x0x1", "1e3", str(most + 1), str(2**64)):
            refused(f"--{option} '{value}'", BAD_INPUT,
                    f'--{option} "{value}": expected a number from {least} to {most}', *base, f"--{option}", value)
    refused("report version 6", BAD_INPUT, "expected a number from 2 to 5", *base, "--report-version", "6")
    refused("policy that no firmware launches", BAD_INPUT, "bit 17 must be one", *base, "--policy", "0x10000")
    refused("policy with unknown bits", BAD_INPUT, "bits from 26 on must be zero", *base, "--policy", "0x4030000")
    refused("descriptor that is not open", BAD_INPUT, "--listen-fd 77: no such descriptor is open", "serve", "--dir",
            chip, "--measurement", DIGEST, "--listen-fd", "77")
    refused("descriptor that does not listen", BAD_INPUT, "--listen-fd 0: expected a listening stream socket", "serve",
            "--dir", chip, "--measurement", DIGEST, "--listen-fd", "0", stdin=subprocess.DEVNULL)
    with socket.socket(socket.AF_UNIX) as unbound:
        refused("socket that does not listen", BAD_INPUT, "expected a listening stream socket", "serve", "--dir", chip,
                "--measurement", DIGEST, "--listen-fd", str(unbound.fileno()), pass_fds=[unbound.fileno()])


def test_serve_places(directory):
    chip, path = os.path.join(directory, "chip"), os.path.join(directory, "psp.sock")
    digest = ["--measurement", DIGEST]
    refused("no such chip", BAD_INPUT, "nowhere/chip.json: cannot be opened: No such file", "serve", "--dir",
            f"{directory}/nowhere", "--socket", path, *digest)
    refused("socket's folder is not there", SYSTEM, "cannot listen there: No such file", "serve", "--dir", chip,
            "--socket", f"{directory}/no/psp.sock", *digest)
    refused("socket's path is too long", SYSTEM, "a socket's path has 1 to 107 bytes, this one", "serve", "--dir", chip,
            "--socket", f"{directory}/{'x' * 110}", *digest)
    refused("a file in the socket's place", SYSTEM, "is there already and is no socket", "serve", "--dir", chip,
            "--socket", f"{chip}/chip.json", *digest)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        refused("another listens there", SYSTEM, "another program listens there", "serve", "--dir", chip, "--socket",
                path, *digest)
        tap.ok(os.path.exists(path), "whose socket is left alone")
    os.unlink(path)
    refused("log that cannot be opened", SYSTEM, "cannot be opened: Is a directory", "serve", "--dir", chip, "--socket",
            path, *digest, "--request-log", directory)
    tap.ok(not os.path.exists(path), "no socket is left behind")


def test_mixed_chip(directory):
    """Files of two chips in one directory: found at the start, not by a verifier far away."""
    chip, mixed = os.path.join(directory, "chip"), os.path.join(directory, "mixed")
    for name, why in (("vcek.key", "the report's signature does not verify"), ("vcek.pem", "certificate"),
                      ("ask.pem", "certificate"), ("ark.pem", "certificate"), ("chip.json", "chip id")):
        shutil.copytree(chip, mixed)
        shutil.copy(os.path.join(directory, "Genoa", name), mixed)
        refused(f"another chip's {name}", BAD_INPUT, "the chip's files do not belong together", "serve", "--dir", mixed,
                "--socket", f"{directory}/psp.sock", "--measurement", DIGEST)
        tap.ok(why in run("serve", "--dir", mixed, "--socket", f"{directory}/psp.sock", "--measurement", DIGEST).stderr,
               f"and it says {why}")
        shutil.rmtree(mixed)


def test_locked_memory(directory):
    def limit():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        os.setgid(65534)
        os.setuid(65534)

    refused("no memory may be locked", SYSTEM, "memory for keys cannot be locked: raise the limit", "init", "--dir",
            f"{directory}/unlocked", preexec_fn=limit)


def main():
    with tempfile.TemporaryDirectory(prefix="test-psp.") as directory:
        test_help()
        test_verbs()
        test_init(directory)
        test_openssl(directory)
        test_serve_options(directory)
        test_serve_places(directory)
        test_mixed_chip(directory)
        test_locked_memory(directory)
        test_no_space(directory)
        test_interrupted_init(directory)
        tap.same(glob.glob(f"{directory}/*.??????"), [], "no temporary directory is left")
    tap.done()


main()
