# llvm.cmake - which LLVM the code generator uses, and how it is linked.
#
# Gives  llvm_include; llvm_shared, what links libLLVM.so (tests, of which there are many); llvm_product, what the code
#        generator that users get is linked with; llvm_how: shared or static.
#
# By default the product carries the parts of LLVM that it calls, all hidden: it is loaded in 2 ms, where loading
# libLLVM.so takes 10 and more, and another LLVM in the process does not matter. Where the archives are missing,
# libLLVM.so is what is left.
include(CheckCSourceCompiles)

if(NOT EINJIT_LLVM_CONFIG)
  find_program(EINJIT_LLVM_CONFIG_FOUND NAMES llvm-config-19 llvm-config-20 llvm-config-21 llvm-config-22
    llvm-config-18 llvm-config-17 llvm-config-16 llvm-config)
  set(EINJIT_LLVM_CONFIG ${EINJIT_LLVM_CONFIG_FOUND})
endif()
if(NOT EINJIT_LLVM_CONFIG)
  message(FATAL_ERROR "llvm-config was not found: install llvm-19-dev or configure with -DEINJIT_CODEGEN=OFF")
endif()

# What llvm-config says; empty, where the second argument is QUIET and it fails (it looks for the files that it names).
function(ask_llvm out mode)
  execute_process(COMMAND ${EINJIT_LLVM_CONFIG} ${ARGN} OUTPUT_VARIABLE answer RESULT_VARIABLE failed
    ERROR_VARIABLE reason OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(failed AND mode STREQUAL "REQUIRED")
    message(FATAL_ERROR "${EINJIT_LLVM_CONFIG} ${ARGN}: ${reason}")
  elseif(failed)
    set(answer "")
  endif()
  set(${out} "${answer}" PARENT_SCOPE)
endfunction()

ask_llvm(llvm_version REQUIRED --version)
if(llvm_version VERSION_LESS 16)
  message(FATAL_ERROR "${EINJIT_LLVM_CONFIG} is of LLVM ${llvm_version}, 16 or later is needed: install llvm-19-dev, "
    "set EINJIT_LLVM_CONFIG, or configure with -DEINJIT_CODEGEN=OFF")
endif()
ask_llvm(llvm_include REQUIRED --includedir)
ask_llvm(llvm_libdir REQUIRED --libdir)
ask_llvm(llvm_shared REQUIRED --libs)
separate_arguments(llvm_shared)
list(PREPEND llvm_shared -L${llvm_libdir})

# ---- the archives -------------------------------------------------------------------------------------------------
# Libraries that LLVM may have been built with: as an archive, as the package with headers has it, or as programs load it
# (libLLVM.so needs it, too). The linker takes those that are called. Archives of tinfo (up to LLVM 16) do not go into
# shared objects.
find_library(EINJIT_LLVM_NEEDS_z NAMES libz.a z libz.so.1)
find_library(EINJIT_LLVM_NEEDS_zstd NAMES libzstd.a zstd libzstd.so.1)
find_library(EINJIT_LLVM_NEEDS_tinfo NAMES libtinfo.so libtinfo.so.6)
set(llvm_system)
foreach(name z zstd tinfo)
  mark_as_advanced(EINJIT_LLVM_NEEDS_${name})
  if(EINJIT_LLVM_NEEDS_${name})
    list(APPEND llvm_system ${EINJIT_LLVM_NEEDS_${name}})
  endif()
endforeach()

# The C++ library, too, as an archive where the compiler has one.
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libstdc++.a OUTPUT_VARIABLE llvm_cxx ERROR_QUIET
  OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT IS_ABSOLUTE "${llvm_cxx}")
  set(llvm_cxx stdc++)
endif()

set(llvm_hidden -Wl,--version-script=${CMAKE_CURRENT_LIST_DIR}/einjit-llvm.map -Wl,--no-undefined)
set(llvm_product ${llvm_shared})
set(llvm_how shared)
if(NOT EINJIT_LLVM_SHARED)
  ask_llvm(llvm_archives QUIET --link-static --libs nativecodegen)
  if(llvm_archives)
    separate_arguments(llvm_archives)
    set(llvm_static -Wl,--as-needed -L${llvm_libdir} ${llvm_archives} ${llvm_system} ${llvm_cxx} -static-libgcc m ${CMAKE_DL_LIBS}
      Threads::Threads -Wl,--exclude-libs,ALL -Wl,--gc-sections)
    set(CMAKE_REQUIRED_LIBRARIES ${llvm_static})
    set(CMAKE_REQUIRED_INCLUDES ${llvm_include})
    set(CMAKE_REQUIRED_LINK_OPTIONS -shared ${llvm_hidden})
    check_c_source_compiles("
      #include <llvm-c/Target.h>
      #include <llvm-c/TargetMachine.h>
      int einjit_codegen(void);
      int einjit_codegen(void)
      {
          char *message;
          LLVMMemoryBufferRef object;
          return LLVMInitializeNativeTarget() + LLVMInitializeNativeAsmPrinter() +
              LLVMTargetMachineEmitToMemoryBuffer(0, 0, LLVMObjectFile, &message, &object);
      }" EINJIT_LLVM_ARCHIVES_LINK)
    unset(CMAKE_REQUIRED_LIBRARIES)
    unset(CMAKE_REQUIRED_INCLUDES)
    unset(CMAKE_REQUIRED_LINK_OPTIONS)
  endif()
  if(llvm_archives AND EINJIT_LLVM_ARCHIVES_LINK)
    set(llvm_product ${llvm_static})
    set(llvm_how static)
  else()
    unset(EINJIT_LLVM_ARCHIVES_LINK CACHE) # tried again when what was missing may be there
    message(STATUS "LLVM's archives cannot be linked: the code generator will load libLLVM.so")
  endif()
endif()
message(STATUS "LLVM ${llvm_version}, ${llvm_how}: ${EINJIT_LLVM_CONFIG}")
