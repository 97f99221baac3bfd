# Installation and find_package(gradus).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gradus)

install(TARGETS gradus gradus_fast EXPORT gradus
  ARCHIVE COMPONENT library LIBRARY COMPONENT library RUNTIME COMPONENT library)
if(TARGET gradus_avx512)
  install(TARGETS gradus_avx512 LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/${avx512_dir} COMPONENT library NAMELINK_SKIP)
endif()
install(DIRECTORY ${rooms} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gradus COMPONENT library
  FILES_MATCHING PATTERN *.h PATTERN internal EXCLUDE PATTERN rules EXCLUDE)
install(FILES gradus.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gradus COMPONENT library)

configure_package_config_file(cmake/gradusConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/gradusConfig.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/gradusConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT gradus NAMESPACE gradus:: FILE gradusTargets.cmake DESTINATION ${package_dir} COMPONENT library)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gradusConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/gradusConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT library)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT library)

# pkg-config, for projects without CMake. A static library is linked whole where nothing refers to its check of the processor.
set(pc_requires "")
if(GRADUS_PARALLEL STREQUAL tbb)
  set(pc_requires " tbb")
endif()
foreach(package IN LISTS image_packages)
  string(TOLOWER " lib${package}" name)
  string(APPEND pc_requires "${name}")
endforeach()
set(pc_libs -lgradus)
if(NOT BUILD_SHARED_LIBS)
  set(pc_libs "-Wl,-u,gradus_check_cpu -lgradus")
endif()
configure_file(cmake/gradus.pc.in ${CMAKE_CURRENT_BINARY_DIR}/gradus.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gradus.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)

# cpack -G DEB (or TGZ): the library and its headers as one package.
set(CPACK_PACKAGE_NAME libgradus-dev)
set(CPACK_PACKAGE_VENDOR Gradus)
set(CPACK_PACKAGE_CONTACT "the Gradus project <gradus@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_CURRENT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL library)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libgradus-dev)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libopenblas-pthread-dev, libtbb-dev, libfmt-dev, zlib1g-dev")
foreach(package IN LISTS image_packages)
  string(TOLOWER ", lib${package}-dev" name)
  string(APPEND CPACK_DEBIAN_PACKAGE_DEPENDS "${name}")
endforeach()
include(CPack)
