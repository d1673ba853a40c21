#!/usr/bin/python3 -B
"""image/fill-config: template, site part and facts become one postern.json."""
import json
import os
import tempfile

import tap

TEMPLATE = '{"root": {"device": "root"}, "brokers": "@site", "network": {"mode": "dhcp", "mtu": 1500}}'
FACTS = '{"root": {"data_blocks": 3, "salt": "00"}}'


class FillConfig(tap.ProgramTest):
    program = "image/fill-config"

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def fill(self, template=TEMPLATE, site=None, facts=FACTS):
        return self.run_program(self.path("template", template), "-" if site is None else self.path("site", site),
                                self.path("facts", facts))

    def test_merge(self):
        """objects are merged member by member, anything else is replaced"""
        done = self.fill(site='{"brokers": [{"address": "192.0.2.1:443"}], "network": {"mtu": 1400}}')
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(json.loads(done.stdout), {
            "root": {"device": "root", "data_blocks": 3, "salt": "00"},
            "brokers": [{"address": "192.0.2.1:443"}],
            "network": {"mode": "dhcp", "mtu": 1400}})

    def test_same_bytes(self):
        """the same parts give the same bytes"""
        site = '{"brokers": []}'
        self.assertEqual(self.fill(site=site).stdout, self.fill(site=site).stdout)

    def test_site_lacks(self):
        """a member that the site must give and does not is refused by name"""
        self.assert_refused(self.fill(site="{}"), "wants /brokers from the site file", "site lacks it")
        self.assert_refused(self.fill(), "wants /brokers from the site file", "none was given (SITE=FILE)")

    def test_site_sets_facts(self):
        """the site part cannot set what the build finds out, at no depth"""
        for site in ('{"root": {"salt": "11"}}', '{"root": 1}', '{"root": {"salt": {"x": 1}}}'):
            self.assert_refused(self.fill(site=site), "is found out by the build and cannot be set")

    def test_no_json(self):
        """what is no JSON, no object, or names a member twice is refused with the file's name"""
        self.assert_refused(self.fill(site="{"), "site is no JSON")
        self.assert_refused(self.fill(site="[]"), "site holds no JSON object")
        self.assert_refused(self.fill(site='{"a": {"b": 1, "b": 2}}'), "site: member 'b' is given twice")

    def test_arguments(self):
        """wrong arguments and missing files are refused"""
        self.assert_refused(self.run_program("one"), "use: fill-config TEMPLATE SITE FACTS")
        self.assert_refused(self.run_program("/nowhere", "-", "/nowhere"), "/nowhere")


if __name__ == "__main__":
    tap.main()
