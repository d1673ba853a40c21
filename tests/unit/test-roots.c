/* attest/roots: AMD's roots as they were published, and files with one root. */
#include "unit.h"

#include <pty.h>

#include "amd-chain.h"
#include "attest/roots.h"
#include "base/encode.h"

static struct reason why;

static void knows_amds_roots(void **state UNUSED)
{
    /* SHA-256 of the DER, from another copy of AMD's certificates (Debian's librust-sev-dev). */
    static const struct {
        enum product product;
        const char *sha256;
    } known[] = {
        { PRODUCT_MILAN, "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd" },
        { PRODUCT_GENOA, "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1" },
        { PRODUCT_TURIN, "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a" },
    };
    static const char *const intermediates[] = { "SEV-Milan",      "SEV-Genoa",      "SEV-Turin",
                                                 "SEV-VLEK-Milan", "SEV-VLEK-Genoa", "SEV-VLEK-Turin" };
    struct trust_roots *roots = NULL;

    assert_int_equal(trust_roots_amd(&roots), 0);
    assert_false(trust_roots_software(roots));
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        X509 *ark = trust_roots_ark(roots, known[i].product);
        char text[HEX_TEXT_BYTES(32)];
        uint8_t hash[32];

        assert_non_null(ark);
        assert_int_equal(X509_digest(ark, EVP_sha256(), hash, NULL), 1);
        hex_encode(hash, 32, text);
        assert_string_equal(text, known[i].sha256);
        assert_int_equal(X509_self_signed(ark, 1), 1);
    }
    for (size_t i = 0; i < ARRAY_SIZE(intermediates); i++) {
        X509 *intermediate = trust_roots_intermediate(roots, intermediates[i]);

        assert_non_null(intermediate);
        assert_int_equal(X509_verify(intermediate, X509_get0_pubkey(trust_roots_ark(roots, known[i % 3].product))), 1);
    }
    assert_null(trust_roots_ark(roots, PRODUCT_UNKNOWN));
    assert_null(trust_roots_intermediate(roots, "SEV-Rome"));
    assert_null(trust_roots_intermediate(roots, ""));
    trust_roots_free(&roots);
    assert_null(roots);
    trust_roots_free(&roots);
}

static void put_pem(FILE *file, X509 *certificate)
{
    assert_int_equal(PEM_write_X509(file, certificate), 1);
}

/* A root file with these certificates between these texts; gives the result of loading it. */
static int load_roots(const char *before, X509 *first, const char *between, X509 *second)
{
    char path[] = "/tmp/postern-test-root.XXXXXX";
    struct trust_roots *roots = NULL;
    int fd = mkstemp(path), r;
    FILE *file;

    assert_true(fd >= 0);
    file = fdopen(fd, "w");
    assert_non_null(file);
    (void)fputs(before, file);
    if (first)
        put_pem(file, first);
    (void)fputs(between, file);
    if (second)
        put_pem(file, second);
    assert_int_equal(fclose(file), 0);
    why.text[0] = '\0';
    r = trust_roots_file(path, &roots, &why);
    if (r < 0) {
        assert_null(roots);
        assert_reason(&why, path);
    } else {
        assert_true(trust_roots_software(roots));
        assert_non_null(trust_roots_ark(roots, PRODUCT_MILAN));
        assert_null(trust_roots_intermediate(roots, "ARK-Milan")); /* none is at hand */
    }
    trust_roots_free(&roots);
    assert_int_equal(unlink(path), 0);
    return r;
}

static void loads_one_root_from_a_file(void **state UNUSED)
{
    X509 *ark = amd_make_authority("ARK-Milan", amd_keys.ark, NULL, amd_keys.ark, AMD_PRESENT - AMD_YEAR,
                                   AMD_PRESENT + AMD_YEAR, true);
    X509 *ask = amd_make_authority("SEV-Milan", amd_keys.ask, ark, amd_keys.ark, AMD_PRESENT - AMD_YEAR,
                                   AMD_PRESENT + AMD_YEAR, true);
    X509 *liar = amd_make_authority("ARK-Milan", amd_keys.ask, NULL, amd_keys.ark, AMD_PRESENT - AMD_YEAR,
                                    AMD_PRESENT + AMD_YEAR, true);
    struct trust_roots *roots = NULL;

    assert_int_equal(load_roots("", ark, "", NULL), 0);
    assert_int_equal(load_roots("# a remark\n", ark, "and another\n", NULL), 0);
    assert_int_equal(load_roots("", NULL, "", NULL), -EBADMSG);
    assert_reason(&why, "expected one self-signed certificate in PEM");
    assert_int_equal(load_roots("nothing\n", NULL, "", NULL), -EBADMSG);
    assert_int_equal(load_roots("", ark, "", ark), -EBADMSG);
    assert_int_equal(load_roots("", ark, "", ask), -EBADMSG);
    assert_int_equal(load_roots("", ask, "", NULL), -EBADMSG);
    assert_int_equal(load_roots("", liar, "", NULL), -EBADMSG);
    assert_int_equal(trust_roots_file("/nowhere", &roots, &why), -ENOENT);
    assert_reason(&why, "/nowhere: cannot be opened");
    X509_free(ark);
    X509_free(ask);
    X509_free(liar);
}

static void refuses_root_files_with_damage(void **state UNUSED)
{
    X509 *ark = amd_make_authority("ARK-Milan", amd_keys.ark, NULL, amd_keys.ark, AMD_PRESENT - AMD_YEAR,
                                   AMD_PRESENT + AMD_YEAR, true);

    assert_int_equal(load_roots("", ark, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", NULL),
                     -EBADMSG);
    assert_int_equal(load_roots("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ark, "", NULL),
                     -EBADMSG);
    assert_int_equal(load_roots("", ark, "-----BEGIN CERTIFICATE-----\nAAAA\n", NULL), -EBADMSG);
    X509_free(ark);
}

static void leaves_no_errors_behind(void **state UNUSED)
{
    X509 *ark = amd_make_authority("ARK-Milan", amd_keys.ark, NULL, amd_keys.ark, AMD_PRESENT - AMD_YEAR,
                                   AMD_PRESENT + AMD_YEAR, true);
    struct trust_roots *roots = NULL;

    ERR_clear_error();
    assert_int_equal(load_roots("", ark, "", NULL), 0);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(load_roots("", NULL, "", NULL), -EBADMSG);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(trust_roots_amd(&roots), 0);
    assert_int_equal(ERR_peek_error(), 0);
    trust_roots_free(&roots);
    X509_free(ark);
}

/* Nobody is there to type the pass phrase that a file asks for. */
static void asks_nobody_for_a_pass_phrase(void **state UNUSED)
{
    static const char encrypted[] = "-----BEGIN CERTIFICATE-----\n"
                                    "Proc-Type: 4,ENCRYPTED\n"
                                    "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
                                    "AAAAAAAAAAAAAAAAAAAAAA==\n"
                                    "-----END CERTIFICATE-----\n";
    char said[256];
    int terminal, status;
    pid_t child;

    (void)fflush(NULL);
    child = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(5);
        _exit(load_roots(encrypted, NULL, "", NULL) == -EBADMSG ? 7 : 8);
    }
    assert_true(read(terminal, said, sizeof(said)) <= 0); /* no prompt; the end, or EIO as Linux has it */
    assert_int_equal(close(terminal), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_amds_roots),
        cmocka_unit_test(loads_one_root_from_a_file),
        cmocka_unit_test(refuses_root_files_with_damage),
        cmocka_unit_test(leaves_no_errors_behind),
        cmocka_unit_test(asks_nobody_for_a_pass_phrase),
    };

    return cmocka_run_group_tests_name("roots", tests, amd_make_keys, amd_free_keys);
}
