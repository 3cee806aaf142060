/* llvm_compat.h - where LLVM 16 to 22 differ. The only version conditions of the code generator. */
#ifndef EJ_LLVM_COMPAT_H
#define EJ_LLVM_COMPAT_H

#include <llvm/Config/llvm-config.h>

#if LLVM_VERSION_MAJOR < 16
#error "einjit needs LLVM 16 or newer"
#endif

/* Up to LLVM 21 masked loads and stores take their alignment as an argument; from 22 on as an attribute, 1 without
 * one. */
#if LLVM_VERSION_MAJOR < 22
#define EJ_MASKED_ALIGN_ARGUMENT 1
#else
#define EJ_MASKED_ALIGN_ARGUMENT 0
#endif

/* The option, in a list, that starts with instruction selection. A name of a pass that LLVM does not have ends the
 * process, so only the version that was looked at hears it. */
#if LLVM_VERSION_MAJOR == 19 && (defined(__x86_64__) || defined(_M_X64))
#define EJ_WITHOUT_IR_PASSES "-start-before=x86-isel",
#else
#define EJ_WITHOUT_IR_PASSES
#endif

#endif
