#!/usr/bin/python3 -B
"""image/payload: static programs, OCI bundles and overlays become part of a root file system."""
import json
import os
import tempfile

import tap

STATIC, DYNAMIC = "/usr/bin/busybox", "/usr/bin/env"


class Payload(tap.ProgramTest):
    program = "image/payload"

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.tree = os.path.join(self.folder, "tree")
        os.makedirs(os.path.join(self.tree, "etc"))
        self.write("tree/etc/hosts", "127.0.0.1 localhost\n")

    def write(self, name, text=""):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def taken(self, payload):
        done = self.run_program(payload, self.tree)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def bundle(self, process):
        self.write("bundle/rootfs/bin/server", "#!")
        self.write("bundle/config.json", json.dumps({"ociVersion": "1.0.2", "process": process}))
        return os.path.join(self.folder, "bundle")

    def test_program(self):
        """a static program is what the guest runs, as an ordinary user"""
        self.assertEqual(self.taken(STATIC), {"workload": {"process": {"args": ["/usr/bin/busybox"],
                                                                       "user": {"uid": 1000, "gid": 1000}}}})
        self.assertTrue(os.access(os.path.join(self.tree, "usr/bin/busybox"), os.X_OK))

    def test_dynamic(self):
        """a program that needs libraries is refused with what to do"""
        self.assert_refused(self.run_program(DYNAMIC, self.tree), "no static x86-64 program", "OCI bundle")

    def test_bundle(self):
        """a bundle's rootfs becomes the root, its process the workload"""
        found = self.taken(self.bundle({"args": ["server", "-p"], "env": ["PATH=/bin", "A=1"], "cwd": "/srv",
                                        "user": {"uid": 5, "gid": 6}, "capabilities": {}}))
        self.assertEqual(found["workload"]["process"], {"args": ["/bin/server", "-p"], "env": ["PATH=/bin", "A=1"],
                                                        "cwd": "/srv", "user": {"uid": 5, "gid": 6}})
        self.assertEqual(sorted(os.listdir(self.tree)), ["bin", "data", "dev", "proc", "run", "sys", "tmp"])

    def test_bundle_without_program(self):
        """args that name nothing in the rootfs are refused"""
        self.assert_refused(self.run_program(self.bundle({"args": ["missing"]}), self.tree), "no missing in the bundle")

    def test_bundle_without_process(self):
        """a bundle without a process is refused"""
        path = self.bundle({})
        self.assert_refused(self.run_program(path, self.tree), "no OCI configuration with a process")

    def test_device(self):
        """a bundle with a device or pipe in it is refused"""
        path = self.bundle({"args": ["/bin/server"]})
        os.mkfifo(os.path.join(path, "rootfs/pipe"))
        self.assert_refused(self.run_program(path, self.tree), "rootfs/pipe is neither file, folder nor link")

    def test_overlay(self):
        """a folder is laid over the tree and says nothing about the workload"""
        self.write("over/etc/nginx/gateway.d/site.conf", "location / {}")
        self.assertEqual(self.taken(os.path.join(self.folder, "over")), {})
        self.assertEqual(sorted(os.listdir(os.path.join(self.tree, "etc"))), ["hosts", "nginx"])

    def test_nothing(self):
        """a payload that is not there is refused"""
        self.assert_refused(self.run_program(os.path.join(self.folder, "none"), self.tree), "there is no")


if __name__ == "__main__":
    tap.main()
