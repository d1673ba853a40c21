#!/usr/bin/python3 -B
"""image/module-order on small trees of depmod's files."""
import os
import tempfile

import tap

DEP = """\
kernel/dm-mod.ko.xz:
kernel/dm-bufio.ko.xz: kernel/dm-mod.ko.xz
kernel/reed_solomon.ko.xz:
kernel/dm-verity.ko.xz: kernel/dm-bufio.ko.xz kernel/dm-mod.ko.xz kernel/reed_solomon.ko.xz
kernel/libcrc32c.ko.xz:
kernel/erofs.ko.xz: kernel/libcrc32c.ko.xz
kernel/crc32c-intel.ko.xz:
kernel/aes-one.ko.xz:
kernel/aes-two.ko.xz:
kernel/tsm.ko.xz: kernel/dm-mod.ko.xz
kernel/sev-guest.ko.xz: kernel/tsm.ko.xz kernel/dm-mod.ko.xz
"""


class ModuleOrder(tap.ProgramTest):
    program = "image/module-order"

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = folder.name
        self.write("modules.dep", DEP)
        self.write("modules.softdep", "# comment\n")
        self.write("modules.alias", "# comment\n")
        self.write("modules.builtin", "kernel/crypto/ecb.ko\nkernel/fs/ext4/ext4.ko\n")
        self.write("modules.builtin.modinfo", "crc32c_generic.alias=crc32c\0ext4.license=GPL\0")

    def write(self, name, text):
        with open(os.path.join(self.tree, name), "w", encoding="utf-8") as f:
            f.write(text)

    def run_with(self, wanted):
        self.write("list", wanted)
        return self.run_program(self.tree, os.path.join(self.tree, "list"))

    def order(self, wanted):
        """The names in order, a + after each optional one."""
        done = self.run_with(wanted)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        rows = [line.split() for line in done.stdout.splitlines()]
        for path, name, *_ in rows:
            self.assertEqual(path, f"kernel/{name}.ko.xz")
        return [row[1] + "+" * (row[2:] == ["optional"]) for row in rows]

    def test_hard(self):
        """hard dependencies come first, each once"""
        self.assertEqual(self.order("dm-verity # root\n\ndm_mod\n"), ["reed_solomon", "dm-mod", "dm-bufio", "dm-verity"])

    def test_soft(self):
        """soft pre: dependencies come first, post: ones do not count"""
        self.write("modules.softdep", "softdep libcrc32c pre: crc32c_intel post: aes-one\n")
        self.assertEqual(self.order("erofs\n"), ["crc32c-intel", "libcrc32c", "erofs"])

    def test_soft_malformed(self):
        """words of a soft dependency without pre: mean nothing"""
        self.write("modules.softdep", "softdep erofs aes-one\nsoftdep erofs\n")
        self.assertEqual(self.order("erofs\n"), ["libcrc32c", "erofs"])

    def test_soft_unknown(self):
        """a soft dependency that does not exist is passed over"""
        self.write("modules.softdep", "softdep erofs pre: no-such\n")
        self.assertEqual(self.order("erofs\n"), ["libcrc32c", "erofs"])

    def test_builtin(self):
        """what is built in is left out, by name and by alias"""
        self.write("modules.softdep", "softdep libcrc32c pre: crc32c\n")
        self.write("modules.alias", "alias crc32c crc32c_intel\n")
        self.assertEqual(self.order("ecb\next4\ncrc32c\nerofs\n"), ["libcrc32c", "erofs"])

    def test_alias(self):
        """an alias stands for every module that has it, patterns included"""
        self.write("modules.alias", "alias aes aes_two\nalias aes aes_one\nalias fs-ero* erofs\n")
        self.assertEqual(self.order("aes\nfs-erofs\n"), ["aes-two", "aes-one", "libcrc32c", "erofs"])

    def test_module_before_alias(self):
        """a module's own name wins over another one's alias"""
        self.write("modules.alias", "alias aes_one aes_two\n")
        self.assertEqual(self.order("aes-one\n"), ["aes-one"])

    def test_optional(self):
        """a dependency is optional when only optional modules need it"""
        self.assertEqual(self.order("sev-guest optional\ndm-bufio\n"), ["dm-mod", "tsm+", "sev-guest+", "dm-bufio"])

    def test_unknown(self):
        """an unknown module is refused with file and line"""
        self.assert_refused(self.run_with("erofs\n# c\nfloppy\n"), "list line 3: ")
        self.assert_refused(self.run_with("floppy\n"), f"{self.tree} has no module, built-in or alias 'floppy'")

    def test_flag(self):
        """an unknown flag is refused"""
        self.assert_refused(self.run_with("erofs maybe\n"), "line 1: after the module there may only stand 'optional', not 'maybe'")

    def test_circle(self):
        """a circle of hard and soft dependencies is refused and named"""
        self.write("modules.softdep", "softdep libcrc32c pre: erofs\n")
        self.assert_refused(self.run_with("erofs\n"), "in a circle: erofs -> libcrc32c -> erofs")

    def test_missing_file(self):
        """a folder that is no module tree is refused"""
        os.remove(os.path.join(self.tree, "modules.dep"))
        self.assert_refused(self.run_with("erofs\n"), "modules.dep")


if __name__ == "__main__":
    tap.main()
