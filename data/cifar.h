// CIFAR-10: the binary layout of Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
#pragma once

#include <gradus/data/dataset.h>

#include <string>

namespace gradus::data {

/// One batch file: records of a label byte, 0 to 9, and 3072 bytes: the red, the green, the blue plane, 32 rows of 32.
/// images u8 [N, 3, 32, 32], labels u8 [N]. Errors: DataError naming the file, and the record where a label is wrong; a file
/// that is empty or not whole records.
ImageSet read_cifar10(const std::string& path);

/// data_batch_1.bin ... (as many as there are, one at least), or test_batch.bin. Errors: DataError.
ImageSet load_cifar10(const std::string& folder, bool train);

}  // namespace gradus::data
