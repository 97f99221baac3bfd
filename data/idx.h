// IDX: the format of MNIST. A magic number, big-endian lengths of the axes, the elements; plain or gzipped.
#pragma once

#include <gradus/data/dataset.h>

#include <string>

namespace gradus::data {

/// The Array in an IDX file (LeCun, Cortes and Burges' "THE MNIST DATABASE" page describes the format). gzip is recognised
/// by its first bytes, whatever the name; a file of several members is their data one after the other, as gzip defines it,
/// and nothing else may follow them, zeros neither. Elements: u8; i32, widened to i64; f32; f64. At most six axes.
/// Errors: DataError naming the file, if it is absent, no regular file, of another format or byte order, shorter or longer
/// than its header says, or its checksum is wrong. A size that cannot be in the file is refused before memory is taken.
Array read_idx(const std::string& path);

/// The training or the test set of MNIST, or of a set with the same names and ten classes: train-images-idx3-ubyte,
/// train-labels-idx1-ubyte, t10k-images-..., t10k-labels-...; with "-idx" or ".idx", plain or .gz.
/// Errors: DataError if a file is missing or not what it must be, the numbers of images and labels differ, or a label
/// is above 9.
ImageSet load_mnist(const std::string& folder, bool train);

}  // namespace gradus::data
