# Debian packages, one a component, by cpack (tools/package/build makes them as they should be: prefix /usr, multiarch).
#
# libeinjit0          the library; einjit-codegen is recommended: without it only what is on disk, or interpreted, runs
# einjit-codegen      what is loaded on the first compile
# libeinjit-dev       headers, link, CMake package, pkg-config file
# einjit-tools        commands, manual pages, completion
# lua-einjit          Lua 5.4 and LuaJIT
# Their relations name versions exactly: they are built together.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME einjit)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_VENDOR "the einjit developers")
set(CPACK_PACKAGE_CONTACT "the einjit developers <einjit@localhost>")
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
    WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/lib)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_COMPONENTS_ALL)

# Manual pages are compressed in packages.
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/tools/package/compress.cmake)

function(einjit_package component name section depends summary description)
  string(TOUPPER ${component} upper)
  set(made ${PROJECT_BINARY_DIR}/package/${name})
  string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC) # SOURCE_DATE_EPOCH, where it is set
  file(WRITE ${made}/changelog "einjit (${PROJECT_VERSION}) unstable; urgency=low\n\n  * README.md of the sources has the "
    "changes.\n\n -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
  execute_process(COMMAND gzip -9nf ${made}/changelog RESULT_VARIABLE failed ERROR_QUIET)
  if(NOT failed)
    install(FILES ${made}/changelog.gz DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name} COMPONENT ${component} EXCLUDE_FROM_ALL)
  endif()
  install(FILES ${PROJECT_SOURCE_DIR}/tools/package/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name}
    COMPONENT ${component} EXCLUDE_FROM_ALL)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${depends}" PARENT_SCOPE)
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${summary}\n${description}" PARENT_SCOPE)
  set(CPACK_COMPONENTS_ALL ${CPACK_COMPONENTS_ALL} ${component} PARENT_SCOPE)
endfunction()

set(same "(= ${PROJECT_VERSION})")
einjit_package(runtime libeinjit0 libs "" "compiler for einsum programs, library"
  "Takes programs of einsums and pointwise operations, and gives a native
function for the shapes that they meet. This is the library, which needs the C
library alone; it loads the code generator of einjit-codegen when something has
to be compiled.")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_RECOMMENDS "einjit-codegen ${same}")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY "=")
if(TARGET einjit_llvm)
  einjit_package(codegen einjit-codegen libs "libeinjit0 ${same}" "compiler for einsum programs, code generator"
    "What libeinjit loads on the first compile, with what it needs of LLVM. Where
all kernels are in the cache on disk it is not needed.")
endif()
einjit_package(dev libeinjit-dev libdevel "libeinjit0 ${same}" "compiler for einsum programs, development files"
  "Headers for C and C++, and files for CMake and pkg-config.")
if(EINJIT_TOOLS)
  einjit_package(tools einjit-tools math "libeinjit0 ${same}" "compiler for einsum programs, commands"
    "einjit runs, prints, explains and compiles programs, and shows the cache on
disk; einjit-bench times them.")
  set(CPACK_DEBIAN_TOOLS_PACKAGE_RECOMMENDS "einjit-codegen ${same}")
  set(CPACK_DEBIAN_TOOLS_PACKAGE_SUGGESTS graphviz)
endif()
if(EINJIT_LUA)
  einjit_package(lua lua-einjit interpreters "libeinjit0 ${same}" "compiler for einsum programs, binding for Lua"
    "The module einjit for Lua 5.4, and for LuaJIT by its FFI.")
  set(CPACK_DEBIAN_LUA_PACKAGE_RECOMMENDS "einjit-codegen ${same}, lua5.4 | luajit")
endif()
include(CPack)
