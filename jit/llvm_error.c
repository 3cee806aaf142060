/* llvm_error.c - the only consumer of LLVM's messages.
 *
 * Takes  diagnostics of a context, message strings of calls that failed.
 * Gives  E_BACKEND, one line.
 */
#include "llvm_error.h"

#include <stdio.h>
#include <string.h>

static void one_line(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "no reason given");
    out[strcspn(out, "\r\n")] = 0;
}

static void latch(LLVMDiagnosticInfoRef info, void *user)
{
    ej_llvm_errors *errors = user;
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError || errors->failed) return;
    char *text = LLVMGetDiagInfoDescription(info);
    errors->failed = true;
    one_line(errors->text, sizeof errors->text, text);
    LLVMDisposeMessage(text);
}

void ej_llvm_watch(LLVMContextRef context, ej_llvm_errors *errors)
{
    memset(errors, 0, sizeof *errors);
    LLVMContextSetDiagnosticHandler(context, latch, errors);
}

int ej_llvm_status(const ej_llvm_errors *errors, einjit_error *err)
{
    if (!errors->failed) return EINJIT_OK;
    return ej_fail(err, EINJIT_E_BACKEND, "LLVM: %s", errors->text);
}

int ej_llvm_message(einjit_error *err, const char *what, char *message)
{
    char line[300];
    one_line(line, sizeof line, message);
    if (message) LLVMDisposeMessage(message);
    return ej_fail(err, EINJIT_E_BACKEND, "LLVM: %s: %s", what, line);
}
