/* A small ordinary program: arguments, environment, locale, time zone, sorting, a hash table, qsort, regex. */
#include "guest.h"
#include <langinfo.h>
#include <locale.h>
#include <pwd.h>
#include <regex.h>
#include <search.h>

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv, char **environment) {
    setlocale(LC_ALL, "");
    say("%d arguments, %s", argc, nl_langinfo(CODESET));
    int n = 0;
    while (environment[n])
        n++;
    qsort(environment, (size_t)n, sizeof *environment, compare);
    for (int i = 0; i < n; i++)
        say("%s", environment[i]);
    struct passwd *user = getpwuid(getuid());
    say("user %s", user ? user->pw_name : "unknown");
    time_t now = time(NULL);
    say("%s", ctime(&now));
    CHECK(hcreate(100));
    for (int i = 0; i < 50; i++) {
        char *key = malloc(16);
        snprintf(key, 16, "key-%d", i);
        ENTRY e = {key, (void *)(intptr_t)i};
        CHECK(hsearch(e, ENTER));
    }
    ENTRY find = {(char *)"key-33", NULL}, *found = hsearch(find, FIND);
    CHECK(found && (intptr_t)found->data == 33);
    regex_t r;
    CHECK(regcomp(&r, "^([a-z]+)_[0-9]+$", REG_EXTENDED) == 0);
    CHECK(regexec(&r, "abc_123", 0, NULL, 0) == 0 && regexec(&r, "abc-123", 0, NULL, 0) != 0);
    say("program %s", strrchr(argv[0], '/') ? "with a path" : argv[0]);
    return 0;
}
