# Installation and find_package(gradus).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
