/* Calls a function in a fresh runtime, and refuses its first request for memory, its second, … */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "quickjs.h"

static long asked, refused = -1;

static int refuse(void) { return refused >= 0 && asked++ == refused; }
static void *give(void *opaque, size_t size) { return refuse() ? NULL : malloc(size); }
static void *give_zeros(void *opaque, size_t count, size_t size) { return refuse() ? NULL : calloc(count, size); }
static void *give_more(void *opaque, void *piece, size_t size) { return refuse() ? NULL : realloc(piece, size); }
static void take_back(void *opaque, void *piece) { free(piece); }
static size_t has(const void *piece) { return malloc_usable_size((void *)piece); }

static int try(const char *body, long which) {
    const JSMallocFunctions memory = { give_zeros, give, take_back, give_more, has };
    JSRuntime *runtime = JS_NewRuntime2(&memory, NULL);
    JSContext *context = JS_NewContext(runtime);
    char text[4096];
    snprintf(text, sizeof text, "(function () { return %s })", body);
    JSValue function = JS_Eval(context, text, strlen(text), "refuse", JS_EVAL_TYPE_GLOBAL);
    asked = 0;
    refused = which;
    JSValue result = JS_Call(context, function, JS_UNDEFINED, 0, NULL);
    int is_through = asked <= which;
    refused = -1;
    JS_FreeValue(context, JS_GetException(context));
    JS_FreeValue(context, result);
    JS_FreeValue(context, function);
    JS_FreeContext(context);
    JS_FreeRuntime(runtime);
    return is_through;
}

int main(int count, char **arguments) {
    for (long which = 0; count > 1; which++) {
        pid_t child = fork();
        if (child == 0) _exit(try(arguments[1], which));
        int status;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) printf("request %ld: signal %d\n", which, WTERMSIG(status));
        else if (WEXITSTATUS(status) == 1) return 0;
    }
    return 2;
}
