#!/usr/bin/python3 -B
"""image/lock: digests of packages and sources from apt's lists."""
import hashlib
import json
import os
import tempfile

import tap

PACKAGES = """\
Package: one
Version: 1.0-1
Architecture: amd64
Description: first
 Package: two
Filename: pool/o/one_1.0-1_amd64.deb
SHA256: 11

Package: two
Version: 2:2.0
Architecture: all
Filename: pool/t/two_2.0_all.deb
SHA256: 22
"""
TAR = b"a source"
DIGEST = hashlib.sha256(TAR).hexdigest()
SOURCES = f"""\
Package: one
Version: 1.0-1
Directory: pool/o
Files:
 00 8 one_1.0.tar.xz
Checksums-Sha256:
 {DIGEST} 8 one_1.0.tar.xz
"""


class Lock(tap.ProgramTest):
    program = "image/lock"

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.write("m_debian_dists_trixie_InRelease", "Suite: stable\nDate: Sat, 12 Sep 2026\n")
        self.write("m_debian_dists_trixie_main_binary-amd64_Packages", PACKAGES)
        self.write("m_debian_dists_trixie_main_source_Sources", SOURCES)
        self.write("m_debian_dists_forky_main_binary-amd64_Packages", PACKAGES.replace("11", "99"))

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())

    def lock(self, *args, **more):
        return self.run_program(*args, env={"APT_LISTS": self.folder}, **more)

    def result(self, *args, **more):
        done = self.lock(*args, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def test_packages(self):
        """a package is found with digest, file and the released suite that has it"""
        entry, = self.result("packages", "image", input="one\t1.0-1\tamd64\n")
        self.assertEqual(entry, {"use": "image", "type": "deb", "name": "one", "version": "1.0-1",
                                 "architecture": "amd64", "suite": "trixie", "file": "pool/o/one_1.0-1_amd64.deb",
                                 "sha256": "11"})

    def test_all(self):
        """packages for all architectures and with an epoch are found, in order of their names"""
        found = self.result("packages", "image", input="two\t2:2.0\tall\none\t1.0-1\tamd64\n")
        self.assertEqual([e["name"] for e in found], ["one", "two"])

    def test_packages_unknown(self):
        """an installed package that no list has is refused"""
        self.assert_refused(self.lock("packages", "image", input="one\t1.0-2\tamd64\n"), "one 1.0-2 amd64")

    def test_no_lists(self):
        """missing lists are refused with what to do"""
        os.remove(os.path.join(self.folder, "m_debian_dists_trixie_main_source_Sources"))
        self.assert_refused(self.lock("source", "one=1.0-1", self.folder), "no Sources lists", "make-root refresh")

    def test_source(self):
        """the files of a source are compared with the list"""
        self.write("one_1.0.tar.xz", TAR)
        entry, = self.result("source", "one=1.0-1", self.folder)
        self.assertEqual((entry["file"], entry["sha256"]), ("pool/o/one_1.0.tar.xz", DIGEST))

    def test_source_without_dsc(self):
        """a source's .dsc may be missing, any other file may not"""
        self.write("m_debian_dists_trixie_main_source_Sources",
                   SOURCES.rstrip("\n") + "\n 22 3 one_1.0.dsc\n" if SOURCES.rstrip("\n").endswith(".xz") else SOURCES)
        self.write("one_1.0.tar.xz", TAR)
        entry, = self.result("source", "one=1.0-1", self.folder, "firmware")
        self.assertEqual((entry["use"], entry["sha256"]), ("firmware", DIGEST))

    def test_source_changed(self):
        """a source file that is not the list's is refused"""
        self.write("one_1.0.tar.xz", TAR + b"!")
        self.assert_refused(self.lock("source", "one=1.0-1", self.folder), "one_1.0.tar.xz has SHA-256", DIGEST)

    def test_source_unknown(self):
        """a source version that no list has is refused"""
        self.assert_refused(self.lock("source", "one=2", self.folder), "one 2 is in none of the source lists")

    def test_merge(self):
        """lists are put together in order, with the state of the archive"""
        self.write("b.json", '[{"use": "b", "name": "x", "version": "1", "file": "f"}]')
        self.write("a.json", '[{"use": "a", "name": "x", "version": "1", "file": "f"}]')
        found = self.result("merge", os.path.join(self.folder, "b.json"), os.path.join(self.folder, "a.json"))
        self.assertEqual([e["use"] for e in found["inputs"]], ["a", "b"])
        self.assertEqual([(a["suite"], a["date"]) for a in found["archive"]], [("trixie", "Sat, 12 Sep 2026")])

    def test_arguments(self):
        """wrong arguments are refused"""
        self.assert_refused(self.lock("pack"), "use: lock packages USE")
        self.assert_refused(self.lock("source", "one", "."), "use: lock packages USE")


if __name__ == "__main__":
    tap.main()
