/* The audit log and the metrics. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

inspire_result audit_events(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    uint64_t limit = argument_required_unsigned(arguments, "limit");
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_audit_log *log = NULL;
    inspire_result result = inspire_audit_log_read(auth, limit > SIZE_MAX ? SIZE_MAX : (size_t)limit, &log, NULL);
    if (result != INSPIRE_RESULT_OK)
        return result;
    fputs(",\"events\":[", out);
    for (size_t at = 0; at < inspire_audit_log_count(log); at++) {
        inspire_audit_event event = inspire_audit_log_at(log, at);
        fprintf(out, "%s{\"at\":%" PRId64, at > 0 ? "," : "", event.at);
        const struct {
            const char *name;
            inspire_str text;
        } members[] = {{"event", event.event},     {"actor", event.actor},
                       {"subject", event.subject}, {"detail", event.detail},
                       {"code", inspire_result_name(event.code)}};
        for (size_t member = 0; member < sizeof members / sizeof *members; member++) {
            fprintf(out, ",\"%s\":", members[member].name);
            write_str(out, members[member].text);
        }
        putc('}', out);
    }
    putc(']', out);
    inspire_audit_log_free(log);
    return result;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The lines of `text` that begin so, without that, each up to `end`, as JSON strings in order of their bytes. */
static void write_words(FILE *out, arena *arena, const char *text, const char *begin, char end)
{
    size_t count = 0;
    const char **words = NULL;
    for (const char *line = text; line != NULL; line = strchr(line, '\n'), line = line == NULL ? NULL : line + 1) {
        if (strncmp(line, begin, strlen(begin)) != 0)
            continue;
        const char *word = line + strlen(begin);
        size_t length = (size_t)(strchr(word, end) - word);
        char *copy = arena_take(arena, length + 1);
        memcpy(copy, word, length);
        copy[length] = '\0';
        words = realloc(words, (count + 1) * sizeof *words);
        if (words == NULL)
            abort();
        words[count++] = copy;
    }
    if (count > 0)
        qsort(words, count, sizeof *words, by_name);
    for (size_t at = 0; at < count; at++) {
        if (at > 0)
            putc(',', out);
        json_write_string(out, words[at], strlen(words[at]));
    }
    free(words);
}

inspire_result metrics(handles *handles, arguments *arguments, FILE *out)
{
    static const char counted[] = "inspire_apikey_verifications_total{result=\"";
    inspire_auth *auth = open_handle(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_text *text = NULL;
    inspire_result result = inspire_auth_metrics_text(auth, &text, NULL);
    if (result != INSPIRE_RESULT_OK)
        return result;
    const char *lines = inspire_text_str(text).data;
    fputs(",\"families\":[", out);
    write_words(out, arguments->arena, lines, "# TYPE ", ' ');
    fputs("],\"verifications\":{", out);
    bool first = true;
    for (const char *line = lines; line != NULL; line = strchr(line, '\n'), line = line == NULL ? NULL : line + 1) {
        if (strncmp(line, counted, strlen(counted)) != 0)
            continue;
        const char *name = line + strlen(counted);
        const char *end = strchr(name, '"');
        if (!first)
            putc(',', out);
        first = false;
        json_write_string(out, name, (size_t)(end - name));
        fprintf(out, ":%llu", strtoull(end + strlen("\"} "), NULL, 10));
    }
    putc('}', out);
    inspire_text_free(text);
    return result;
}

/* A number that is not 0: in C that is the default. */
static uint64_t positive(arguments *arguments, const char *name, uint64_t most)
{
    if (argument_optional(arguments, name) == NULL)
        return 0;
    uint64_t value = argument_unsigned(arguments, name, 0);
    arguments->wrong |= value == 0 || value > most;
    return value;
}

void argument_audit_file(arguments *arguments, inspire_auth_options *options)
{
    json *given = argument_optional(arguments, "audit_file");
    if (given == NULL)
        return;
    struct arguments inner = {arguments->arena, given, given->type != JSON_OBJECT};
    options->audit_file = argument_bytes(&inner, "path");
    options->audit_max_bytes = positive(&inner, "max_bytes", UINT64_MAX);
    options->audit_keep = (uint32_t)positive(&inner, "keep", UINT32_MAX);
    options->audit_chain = argument_flag(&inner, "chain", false);
    inspire_str on_failure = argument_bytes_or_none(&inner, "on_failure");
    if (on_failure.data != NULL && !is(on_failure, "warn")) {
        options->audit_on_failure = INSPIRE_AUDIT_FAILURE_DENY_MUTATIONS;
        inner.wrong |= !is(on_failure, "deny_mutations");
    }
    arguments->wrong |= !arguments_end(&inner);
}
