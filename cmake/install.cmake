# Installation and find_package(gradus).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gradus)

install(TARGETS gradus gradus_fast EXPORT gradus
  ARCHIVE COMPONENT library LIBRARY COMPONENT library RUNTIME COMPONENT library)
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
