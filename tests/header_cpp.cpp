// header_cpp.cpp - einjit.h alone must be C++: compiled by a test, never linked.
#include "einjit/einjit.h"

int header_status(einjit_context **context)
{
    return einjit_context_create(context, nullptr, nullptr);
}
