// Everything at once. A program that needs one room only includes that room's headers.
#pragma once

#include <gradus/core/array.h>
#include <gradus/core/error.h>
#include <gradus/core/parallel.h>
