"""Chips of postern-psp for tests, and reports and revocation lists that postern-psp itself would not make."""
import datetime
import os
import struct
import subprocess
import time

import psp_client
import snp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PSP = os.path.join(TOP, "build/bin/postern-psp")


class Chip:
    """A directory of `postern-psp init`."""

    def __init__(self, directory, product="Genoa"):
        self.directory = directory
        self.product = product
        subprocess.run([PSP, "init", "--dir", directory, "--product", product], check=True, stderr=subprocess.DEVNULL)
        self.key = self.load_key("vcek.key")

    def path(self, name):
        return os.path.join(self.directory, name)

    def load_key(self, name):
        with open(self.path(name), "rb") as file:
            return serialization.load_pem_private_key(file.read(), None)

    def certificate(self, name):
        with open(self.path(name), "rb") as file:
            return x509.load_pem_x509_certificate(file.read())

    def reports(self, datas, *options, measurement="11" * 48, vmpl=0):
        """Reports over these REPORT_DATA, from one launch, with the host's certificate table."""
        socket = self.directory + ".sock"
        process = subprocess.Popen([PSP, "serve", "--dir", self.directory, "--socket", socket, "--measurement",
                                    measurement, *options], stderr=subprocess.DEVNULL)
        try:
            while not os.path.exists(socket):
                if process.poll() is not None:
                    raise SystemExit("postern-psp does not start")
                time.sleep(0.01)
            with psp_client.Line(socket) as line:
                found = []
                for data in datas:
                    answer, _ = line.request(psp_client.EXTENDED_REPORT, psp_client.report_message(data, vmpl), 16384)
                    found.append(answer[32:32 + snp.REPORT_BYTES])
                return found
        finally:
            process.terminate()
            process.wait()

    def sign(self, report):
        """The report with a signature of this chip over its first part."""
        r, s = utils.decode_dss_signature(self.key.sign(bytes(report[:snp.SIGNED_BYTES]), ec.ECDSA(hashes.SHA384())))
        return bytes(report[:0x2A0]) + r.to_bytes(72, "little") + s.to_bytes(72, "little") + bytes(report[0x330:])

    def change(self, report, **values):
        """The report with other values in these fields (snp.FIELDS), signed again."""
        changed = bytearray(report)
        for name, value in values.items():
            offset, form = snp.FIELDS[name]
            struct.pack_into(form, changed, offset, value)
        return self.sign(changed)

    def revocation_list(self, path, serials=(), days=30, age=1, issuer="ark", key=None, encoding="DER"):
        """Writes a list of the root's, signed as AMD does."""
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate(issuer + ".pem").subject)
        builder = builder.last_update(now - datetime.timedelta(days=age)).next_update(now + datetime.timedelta(days=days))
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            builder = builder.add_revoked_certificate(entry)
        made = builder.sign(key or self.load_key(issuer + ".key"), hashes.SHA384(),
                            rsa_padding=padding.PSS(padding.MGF1(hashes.SHA384()), 48))
        with open(path, "wb") as file:
            file.write(made.public_bytes(getattr(serialization.Encoding, encoding)))
