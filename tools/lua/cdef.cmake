execute_process(COMMAND ${CC} -E -P -undef -nostdinc -I ${EMPTY} ${INCLUDE}/einjit/einjit.h OUTPUT_VARIABLE text
  COMMAND_ERROR_IS_FATAL ANY)
file(WRITE ${OUT} "return {soname = \"${SONAME}\", libdir = \"${LIBDIR}\", declarations = [==[\n${text}]==]}\n")
