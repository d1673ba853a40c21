"""Headless Chromium through chromedriver, by WebDriver's plain HTTP (W3C WebDriver 2): pages for tests, without a network."""
import json
import os
import re
import subprocess
import tempfile
import urllib.error
import urllib.request

ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """with Browser() as b: b.open(path); b.run("return document.title")"""

    def __init__(self, *arguments, scripts=True):
        self.profile = tempfile.TemporaryDirectory(prefix="postern-chromium.")
        more = [f"--user-data-dir={self.profile.name}", *arguments]
        if not scripts:
            more.append("--blink-settings=scriptEnabled=false")
        environment = dict(os.environ, HOME=self.profile.name, DBUS_SESSION_BUS_ADDRESS="disabled:")
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       text=True, env=environment)
        self.base = None
        for line in self.driver.stdout:
            found = re.search(r"successfully on port (\d+)", line)
            if found:
                self.base = f"http://127.0.0.1:{found.group(1)}"
                break
        options = {"args": ARGUMENTS + more, "binary": "/usr/bin/chromium"}
        made = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.base += f"/session/{made['sessionId']}"

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()[:600]) from error

    def open(self, path):
        self.ask("POST", "/url", {"url": f"file://{path}"})

    def run(self, script, *arguments):
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def after_frame(self, script):
        """The script's value when the page has drawn once more."""
        return self.ask("POST", "/execute/async", {"script": "var done = arguments[0]; requestAnimationFrame(function () {"
                                                   "setTimeout(function () { done((function () {" + script + "})()); }, 0);"
                                                   "});", "args": []})

    def element(self, css):
        return self.ask("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]

    def type(self, css, text):
        self.ask("POST", f"/element/{self.element(css)}/value", {"text": text})

    def click(self, css):
        self.ask("POST", f"/element/{self.element(css)}/click", {})

    def log(self):
        """Messages of the console since the last call."""
        return [entry["message"] for entry in self.ask("POST", "/se/log", {"type": "browser"})]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.ask("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(timeout=20)
            self.driver.stdout.close()
            self.profile.cleanup()
