# bpf_skeleton(NAME [PLAIN_LOOPS]): bpf/NAME.bpf.c -> object -> <build>/skeletons/NAME.skel.h, as INTERFACE target
# skeleton_NAME.
#
# Each step writes to a temporary file and renames it: bpftool prints the skeleton to stdout, and a plain redirect would
# leave an empty header, newer than its source, when bpftool fails.
find_program(BPF_CLANG NAMES clang clang-14 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin REQUIRED)

# BTF names the source of each line: without the path of this checkout, the object is the same wherever it is built.
set(BPF_FLAGS -target bpf -g -O2 -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I${PROJECT_SOURCE_DIR}/bpf
              -ffile-prefix-map=${PROJECT_SOURCE_DIR}/= -fdebug-compilation-dir=.)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(BPF_ARCH arm64)
else()
  set(BPF_ARCH x86)
endif()

# bpf_compile_only(NAME ARCH): proves, as part of `all`, that bpf/NAME.bpf.c compiles for a processor that is not this one.
function(bpf_compile_only NAME ARCH)
  if(ARCH STREQUAL BPF_ARCH)
    return()
  endif()
  set(obj ${CMAKE_BINARY_DIR}/skeletons/${NAME}.${ARCH}.bpf.o)
  add_custom_command(
    OUTPUT ${obj}
    COMMAND ${BPF_CLANG} ${BPF_FLAGS} -D__TARGET_ARCH_${ARCH} -I${PROJECT_SOURCE_DIR}/bpf/vmlinux/${ARCH}
            -MD -MF ${obj}.d -MT ${obj} -c ${PROJECT_SOURCE_DIR}/bpf/${NAME}.bpf.c -o ${obj}
    DEPENDS ${PROJECT_SOURCE_DIR}/bpf/${NAME}.bpf.c
    DEPFILE ${obj}.d
    COMMENT "BPF ${NAME} for ${ARCH}"
    VERBATIM)
  add_custom_target(${NAME}_${ARCH} ALL DEPENDS ${obj})
endfunction()

# bpf_object(SKEL NAME SUFFIX FLAGS...): bpf/NAME.bpf.c -> object -> skeleton NAMESUFFIX.skel.h, whose path goes into SKEL.
function(bpf_object SKEL NAME SUFFIX)
  set(out ${CMAKE_BINARY_DIR}/skeletons)
  file(MAKE_DIRECTORY ${out})
  set(obj ${out}/${NAME}${SUFFIX}.bpf.o)
  set(skel ${out}/${NAME}${SUFFIX}.skel.h)
  add_custom_command(
    OUTPUT ${obj}
    COMMAND ${BPF_CLANG} ${BPF_FLAGS} ${ARGN} -D__TARGET_ARCH_${BPF_ARCH} -I${PROJECT_SOURCE_DIR}/bpf/vmlinux/${BPF_ARCH}
            -MD -MF ${obj}.d -MT ${obj} -c ${PROJECT_SOURCE_DIR}/bpf/${NAME}.bpf.c -o ${obj}.tmp
    COMMAND ${BPFTOOL} gen object ${obj}.linked ${obj}.tmp
    COMMAND ${CMAKE_COMMAND} -E rename ${obj}.linked ${obj}
    DEPENDS ${PROJECT_SOURCE_DIR}/bpf/${NAME}.bpf.c
    DEPFILE ${obj}.d
    COMMENT "BPF ${NAME}${SUFFIX}"
    VERBATIM)
  add_custom_command(
    OUTPUT ${skel}
    COMMAND sh -c "'${BPFTOOL}' gen skeleton '${obj}' name ${NAME}${SUFFIX}_bpf > '${skel}.tmp' && mv '${skel}.tmp' '${skel}'"
    DEPENDS ${obj}
    COMMENT "Skeleton ${NAME}${SUFFIX}"
    VERBATIM)
  set(${SKEL} ${skel} PARENT_SCOPE)
endfunction()

# With PLAIN_LOOPS, the same program also without bpf_loop(), for kernels before 5.17: NAME_plain.skel.h. One skeleton serves
# both objects (src/kernel/skeleton.h), so the globals of both must lie in the same order; else the build fails.
function(bpf_skeleton NAME)
  cmake_parse_arguments(arg "PLAIN_LOOPS" "" "" ${ARGN})
  bpf_object(skel ${NAME} "")
  set(files ${skel})
  if(arg_PLAIN_LOOPS)
    bpf_object(plain ${NAME} _plain -DPLAIN_LOOPS)
    set(same ${CMAKE_BINARY_DIR}/skeletons/${NAME}.same_globals)
    add_custom_command(
      OUTPUT ${same}
      COMMAND sh ${PROJECT_SOURCE_DIR}/cmake/same_globals ${skel} ${plain}
      COMMAND ${CMAKE_COMMAND} -E touch ${same}
      DEPENDS ${skel} ${plain} ${PROJECT_SOURCE_DIR}/cmake/same_globals
      COMMENT "Globals of both objects of ${NAME}"
      VERBATIM)
    list(APPEND files ${plain} ${same})
  endif()
  add_custom_target(skeleton_${NAME}_files DEPENDS ${files})
  add_library(skeleton_${NAME} INTERFACE)
  add_dependencies(skeleton_${NAME} skeleton_${NAME}_files)
  target_include_directories(skeleton_${NAME} SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/skeletons)
endfunction()
