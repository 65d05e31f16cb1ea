# For USER_C_MODULES of MicroPython's cmake ports (rp2, esp32): see README.md. This folder must have been made
# by `lwipscope firmware overlay`, so that the copies of lwIP's files are beside it.
set(TCPTRACE_DIR ${CMAKE_CURRENT_LIST_DIR})
set_property(GLOBAL PROPERTY TCPTRACE_DIR ${TCPTRACE_DIR})
set(TCPTRACE_COPIES ${TCPTRACE_DIR}/overlay)
if(NOT EXISTS ${TCPTRACE_COPIES}/lib/lwip/src/core/tcp.c)
    message(FATAL_ERROR "tcptrace: ${TCPTRACE_COPIES} is missing; make this folder with: lwipscope firmware overlay DIR")
endif()

add_library(usermod_tcptrace INTERFACE)
target_sources(usermod_tcptrace INTERFACE
    ${TCPTRACE_DIR}/calls.c
    ${TCPTRACE_DIR}/command.c
    ${TCPTRACE_DIR}/hooks.c
    ${TCPTRACE_DIR}/line.c
    ${TCPTRACE_DIR}/modtcptrace.c
    ${TCPTRACE_DIR}/pcbs.c
    ${TCPTRACE_DIR}/port_default.c
    ${TCPTRACE_DIR}/ring.c
    ${TCPTRACE_DIR}/stream.c
)
target_include_directories(usermod_tcptrace INTERFACE ${TCPTRACE_DIR})
target_compile_definitions(usermod_tcptrace INTERFACE
    TCPTRACE_OVERLAY=1
    # Also while the program waits, not only when a record has come.
    "MICROPY_INTERNAL_EVENT_HOOK={ extern void tcptrace_service(void)\; tcptrace_service()\; }"
)
file(STRINGS ${TCPTRACE_DIR}/wraps.txt TCPTRACE_WRAPS)
if(ESP_PLATFORM)
    list(APPEND TCPTRACE_WRAPS tcp_new_ip_type tcp_shutdown)
else()
    list(APPEND TCPTRACE_WRAPS tcp_new)
endif()
foreach(function ${TCPTRACE_WRAPS})
    target_link_options(usermod_tcptrace INTERFACE "-Wl,--wrap=${function}")
endforeach()
target_link_libraries(usermod INTERFACE usermod_tcptrace)

# Each file of `target` of which there is a copy is replaced by it; those that were not found are an error,
# since a trace that misses stores would lie.
function(tcptrace_replace target property)
    get_property(dir GLOBAL PROPERTY TCPTRACE_DIR) # the caller may be another folder's
    set(home ${dir}/overlay/lib/lwip)
    if(NOT TARGET ${target})
        message(FATAL_ERROR "tcptrace: there is no target ${target} with lwIP's files")
    endif()
    get_target_property(sources ${target} ${property})
    file(GLOB_RECURSE copies RELATIVE ${home} ${home}/*.c)
    foreach(copy ${copies})
        string(REPLACE "." "\\." pattern ${copy})
        set(before "${sources}")
        list(TRANSFORM sources REPLACE "^(.*/)?${pattern}$" "${home}/${copy}")
        if(before STREQUAL sources)
            message(FATAL_ERROR "tcptrace: ${target} has no ${copy}")
        endif()
    endforeach()
    set_property(TARGET ${target} PROPERTY ${property} ${sources})
endfunction()

function(tcptrace_esp_idf)
    tcptrace_replace(__idf_lwip SOURCES)
    get_property(dir GLOBAL PROPERTY TCPTRACE_DIR)
    target_include_directories(__idf_lwip PRIVATE ${dir})
endfunction()

if(ESP_PLATFORM)
    # The component's target may come later: at the end of the top folder all are there.
    cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL tcptrace_esp_idf)
else()
    tcptrace_replace(micropy_lib_lwip INTERFACE_SOURCES)
    list(TRANSFORM MICROPY_SOURCE_EXTMOD REPLACE "^.*/extmod/modlwip\\.c$" "${TCPTRACE_COPIES}/extmod/modlwip.c")
endif()
