/* uname, sysinfo, host name, kernel log size, page and memory counts. */
#include "guest.h"
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void) {
    struct utsname u;
    OK(uname(&u));
    CHECK(strcmp(u.sysname, "Linux") == 0 && strcmp(u.machine, "x86_64") == 0);
    say("%s %s %s %s", u.nodename, u.release, u.version, u.domainname);
    char host[256];
    OK(gethostname(host, sizeof host));
    CHECK(strcmp(host, u.nodename) == 0);
    struct sysinfo s;
    OK(sysinfo(&s));
    CHECK(s.totalram > 0 && s.uptime > 0);
    say("up %ld load %lu total %lu free %lu procs %u", s.uptime, s.loads[0], s.totalram, s.freeram, s.procs);
    say("pages %ld of %ld", sysconf(_SC_AVPHYS_PAGES), sysconf(_SC_PHYS_PAGES));
    say("host id %lx", gethostid());
    long r = syscall(SYS_syslog, 10, NULL, 0);
    say("log size %ld", r);
    return 0;
}
