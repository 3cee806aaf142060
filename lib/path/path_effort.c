/* path_effort.c - how long a search may take, from the strategy's name. */
#include "path_search.h"

#include <stdlib.h>
#include <string.h>

#include "base_real.h"
#include "base_time.h"

static bool is_key(const char *text, size_t length, const char *key)
{
    return strlen(key) == length && !memcmp(text, key, length);
}

static bool read_whole(int64_t *out, const char *text, size_t length)
{
    *out = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || *out > (INT64_MAX - 9) / 10) return false;
        *out = 10 * *out + (text[i] - '0');
    }
    return length > 0;
}

static bool read_seconds(double *out, const char *text, size_t length)
{
    char copy[32 + EJ_POINT_ROOM];
    if (!length || length >= 32) return false;
    memcpy(copy, text, length);
    copy[length] = 0;
    return ej_real_read(copy, out) && *out > 0 && *out < 1e9;
}

static int wrong(const ej_job *job, const char *text, size_t length)
{
    return ej_fail(job->err, EINJIT_E_VALUE,
                   "path strategy '%s': '%.*s' is not seconds=T (above 0), trials=N (at least 1) or seed=N",
                   job->path_strategy, (int)length, text);
}

int ej_effort_read(ej_effort *out, const ej_job *job)
{
    const char *at = job->path_strategy ? strchr(job->path_strategy, ':') : NULL;
    *out = (ej_effort){.started_ns = ej_now_ns(), .job = job};
    for (at = at ? at + 1 : ""; *at;) {
        size_t length = strcspn(at, ","), key = strcspn(at, "=,");
        const char *value = at + key + (key < length);
        size_t n = length - (size_t)(value - at);
        double seconds = 0;
        int64_t whole = 0;
        if (is_key(at, key, "seconds") && read_seconds(&seconds, value, n))
            out->deadline_ns = out->started_ns + (uint64_t)(seconds * (job->half_time ? 0.5e9 : 1e9));
        else if (is_key(at, key, "trials") && read_whole(&whole, value, n) && whole > 0) out->trials = whole;
        else if (is_key(at, key, "seed") && read_whole(&whole, value, n)) out->seed = (uint64_t)whole;
        else return wrong(job, at, length);
        at += length + (at[length] == ',');
    }
    return EINJIT_OK;
}

bool ej_effort_is_over(const ej_effort *effort)
{
    bool late = effort->deadline_ns && ej_now_ns() >= effort->deadline_ns;
    return effort->stopped || late || (effort->job && ej_job_poll(effort->job, EJ_STAGE_PATH, -1) != EINJIT_OK);
}
