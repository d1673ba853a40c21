/* init/helpers.c: whose end is told, and that a number means its helper once. */
#include "unit.h"

#include <signal.h>

#include "init/console.h"
#include "init/helpers.h"

#define EXITED(status) ((status) << 8) /* as waitpid(2) gives it */

static char said[128];
static unsigned lines;

/* In the place of that of console.c. */
void console_stage(const char *stage, uint64_t begin_us UNUSED, const char *note)
{
    (void)snprintf(said, sizeof(said), "%s: %s", stage, note);
    lines++;
}

static void an_end_other_than_by_status_0_is_told(void **state UNUSED)
{
    lines = 0;
    helpers_add(100, "killed");
    helpers_add(101, "failed");
    helpers_note_end(99, SIGKILL);
    assert_int_equal(lines, 0);
    helpers_note_end(100, SIGKILL);
    assert_string_equal(said, "helper: killed ended with status 137");
    helpers_note_end(101, EXITED(3));
    assert_string_equal(said, "helper: failed ended with status 3");
    assert_int_equal(lines, 2);
}

/* The kernel gives the number to somebody else afterwards. */
static void a_number_is_forgotten_with_its_helper(void **state UNUSED)
{
    lines = 0;
    helpers_add(200, "done");
    helpers_note_end(200, EXITED(0));
    helpers_note_end(200, SIGKILL);
    assert_int_equal(lines, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_other_than_by_status_0_is_told),
        cmocka_unit_test(a_number_is_forgotten_with_its_helper),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
