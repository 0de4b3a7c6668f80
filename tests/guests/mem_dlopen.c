/* dlopen and dlsym of a system library: maps appear, constructors run, symbols work, maps go. */
#include "guest.h"
#include <dlfcn.h>

int main(void) {
    void *self = dlopen(NULL, RTLD_NOW);
    CHECK(self && dlsym(self, "printf"));
    void *lib = dlopen("libm.so.6", RTLD_LAZY | RTLD_LOCAL);
    CHECK(lib);
    double (*cosine)(double) = (double (*)(double))dlsym(lib, "cos");
    CHECK(cosine);
    double v = cosine(0.0);
    CHECK(v == 1.0);
    Dl_info info;
    CHECK(dladdr((void *)cosine, &info));
    say("%s is at %p in %p, cos 1 = %.17g", info.dli_sname ? info.dli_sname : "?", (void *)cosine, info.dli_fbase,
        cosine(1.0));
    CHECK(dlsym(lib, "no_such_symbol") == NULL);
    const char *error = dlerror();
    CHECK(error);
    say("%s", error);
    CHECK(dlopen("./nothing.so", RTLD_NOW) == NULL);
    CHECK(dlclose(lib) == 0);
    for (int i = 0; i < 3; i++) {
        lib = dlopen("libresolv.so.2", RTLD_NOW);
        CHECK(lib);
        CHECK(dlclose(lib) == 0);
    }
    return 0;
}
