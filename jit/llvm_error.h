/* llvm_error.h - LLVM's ways of failing, as statuses of ours. */
#ifndef EJ_LLVM_ERROR_H
#define EJ_LLVM_ERROR_H

#include <llvm-c/Core.h>
#include <stdbool.h>

#include "base_diag.h"

/* Latches the first error that LLVM reports about a context: it may go on and produce code that must not be run. */
typedef struct ej_llvm_errors {
    bool failed;
    char text[400];
} ej_llvm_errors;

void ej_llvm_watch(LLVMContextRef context, ej_llvm_errors *errors); /* *errors outlives the context */
/* E_BACKEND with LLVM's text when something was latched, else EINJIT_OK. */
int ej_llvm_status(const ej_llvm_errors *errors, einjit_error *err);
/* E_BACKEND with the message, which is given back to LLVM. `what` says what was tried. */
int ej_llvm_message(einjit_error *err, const char *what, char *message);

#endif
