/* host LIBRARY PROFILE PROFILE: loads the library, lets it allocate and write a
 * profile before and after it frees, and unloads it; then forks, to see that
 * nothing of the library is called any more. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *find(void *library, const char *name) {
    void *function = dlsym(library, name);
    if (!function) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return function;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    void *(*hold)(void) = (void *(*)(void))find(library, "guest_hold");
    int (*dump)(const char *) = (int (*)(const char *))find(library, "guest_dump");
    void (*release)(void *) = (void (*)(void *))find(library, "guest_release");
    void *held = hold();
    int failed = dump(argv[2]);
    release(held);
    failed |= dump(argv[3]);
    failed |= dlclose(library);

    int status = -1;
    pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, &status, 0);
    return failed | (status != 0);
}
