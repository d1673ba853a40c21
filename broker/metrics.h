/* Numbers for Prometheus (text exposition format 0.0.4): each process writes its own. */
#pragma once

#include "base/base.h"
#include "base/buffer.h"

struct keeper;
struct server;

void metrics_write_keeper(const struct keeper *keeper, struct buffer *to);
void metrics_write_front(const struct server *server, struct buffer *to);
