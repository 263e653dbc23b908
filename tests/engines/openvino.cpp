// OpenVINO from C++: PROGRAM GRAPH VALUES OUTPUTS BATCH ...
// VALUES holds the inputs of all batches one behind the other, as raw float32; OUTPUTS is written alike.
#include <fstream>
#include <iterator>
#include <openvino/openvino.hpp>
#include <string>
#include <vector>

int main(int count, char** words) {
    ov::Core core;
    auto model = core.compile_model(words[1], "CPU", ov::hint::inference_precision(ov::element::f32));
    auto request = model.create_infer_request();
    std::ifstream values(words[2], std::ios::binary);
    std::ofstream outputs(words[3], std::ios::binary);
    ov::PartialShape shape = model.input().get_partial_shape();
    for (int i = 4; i < count; ++i) {
        shape[0] = std::stoi(words[i]);
        ov::Tensor batch(ov::element::f32, shape.to_shape());
        values.read(static_cast<char*>(batch.data()), batch.get_byte_size());
        request.set_input_tensor(batch);
        request.infer();
        ov::Tensor found = request.get_output_tensor();
        outputs.write(static_cast<const char*>(found.data()), found.get_byte_size());
    }
    return values && outputs.flush() ? 0 : 1;
}
