/* What cppcheck does not know of sys/queue.h (2.17); for tests/lint/test-static.py alone. */
#define STAILQ_FOREACH(variable, head, field) \
    for ((variable) = (head)->stqh_first; (variable); (variable) = (variable)->field.stqe_next)
