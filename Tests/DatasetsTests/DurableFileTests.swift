import Foundation
import Testing

@testable import Datasets

@Suite("Durable files")
struct DurableFileTests {
  @Test("a file holds exactly what was written, and nothing else is left in the folder")
  func whole() throws {
    try withTemporaryFolder { folder in
      let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
      try DurableFile.write(bytes, to: folder + "/a.bin")
      try DurableFile.write("short", to: folder + "/a.bin")
      try DurableFile.write(bytes, to: folder + "/b.bin")
      try DurableFile.write([], to: folder + "/empty")
      #expect(try FileBytes.read(folder + "/a.bin") == Array("short".utf8))
      #expect(try FileBytes.read(folder + "/b.bin") == bytes)
      #expect(try FileBytes.read(folder + "/empty") == [])
      #expect(try names(in: folder) == ["a.bin", "b.bin", "empty"])
    }
  }

  @Test("a streamed file appears only when it is complete")
  func streamed() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/stream"
      try DurableFile.write(to: path) { file in
        for piece in 0..<1000 { try file.write([UInt8](repeating: UInt8(piece % 256), count: 100)) }
        #expect(file.count == 100_000)
        #expect(try names(in: folder).allSatisfy { $0.hasSuffix(DurableFile.temporarySuffix) })
      }
      #expect(try FileBytes.read(path).count == 100_000)
    }
  }

  @Test("a writer that fails or is dropped leaves the old file and no trace")
  func abandoned() throws {
    struct Stop: Error {}
    try withTemporaryFolder { folder in
      let path = folder + "/file"
      try DurableFile.write("old", to: path)
      #expect(throws: Stop.self) {
        try DurableFile.write(to: path) { file in
          try file.write([1, 2, 3])
          throw Stop()
        }
      }
      do {
        let dropped = try DurableFileWriter(path: path)
        try dropped.write([9])
      }
      #expect(try FileBytes.read(path) == Array("old".utf8))
      #expect(try names(in: folder) == ["file"])
      let writer = try DurableFileWriter(path: path)
      try writer.commit()
      #expect(refusal { try writer.commit() }.contains("committed twice"))
      #expect(refusal { try writer.write([1]) }.contains("after it was committed"))
    }
  }

  @Test("what killed processes left is found by its name and swept away, nothing else")
  func stale() throws {
    try withTemporaryFolder { folder in
      let left = ".model.safetensors.4711-0" + DurableFile.temporarySuffix
      for name in [left, "kept" + DurableFile.temporarySuffix, ".hidden"] {
        #expect(FileManager.default.createFile(atPath: folder + "/" + name, contents: Data([1])))
      }
      let swept = try DurableFile.removeStale(in: folder)
      #expect(swept == 1)
      #expect(try names(in: folder) == [".hidden", "kept" + DurableFile.temporarySuffix])
      #expect(refusal { try DurableFile.removeStale(in: folder + "/no") }.contains("No such file"))
    }
  }

  @Test("a folder that looks like an unfinished file, and a folder full of them, are refused with a sentence")
  func strangeLeftovers() throws {
    try withTemporaryFolder { folder in
      for attempt in 0..<10_000 {
        let path = folder + "/.x.\(getpid())-\(attempt)" + DurableFile.temporarySuffix
        try #require(FileManager.default.createFile(atPath: path, contents: nil))
      }
      #expect(refusal { try DurableFile.write("new", to: folder + "/x") }.contains("holds 10000 unfinished files"))
      #expect(try DurableFile.removeStale(in: folder) == 10_000)
      try DurableFile.makeFolders(folder + "/.y" + DurableFile.temporarySuffix)
      #expect(refusal { try DurableFile.removeStale(in: folder) }.contains("cannot remove this unfinished file"))
    }
  }

  @Test("a leftover with the very same temporary name does not stand in the way")
  func collision() throws {
    try withTemporaryFolder { folder in
      let left = ".x.\(getpid())-0" + DurableFile.temporarySuffix
      #expect(FileManager.default.createFile(atPath: folder + "/" + left, contents: nil))
      try DurableFile.write("new", to: folder + "/x")
      #expect(try FileBytes.read(folder + "/x") == Array("new".utf8))
    }
  }

  @Test("the longest names that a file may have can be written")
  func longName() throws {
    try withTemporaryFolder { folder in
      for name in [String(repeating: "n", count: 255), String(repeating: "漢", count: 85)] {
        try DurableFile.write("x", to: folder + "/" + name)
        #expect(try FileBytes.read(folder + "/" + name) == Array("x".utf8))
      }
      #expect(
        refusal { try DurableFile.write("x", to: folder + "/" + String(repeating: "n", count: 256)) }.contains("rename")
      )
      #expect(try names(in: folder).count == 2)
    }
  }

  @Test("folders are made with those above them, once or again")
  func folders() throws {
    try withTemporaryFolder { folder in
      try DurableFile.makeFolders(folder + "/a/b//c/../d")
      try DurableFile.makeFolders(folder + "/a/b/d")
      #expect(try names(in: folder + "/a/b") == ["c", "d"])
      try DurableFile.write("x", to: folder + "/file")
      #expect(refusal { try DurableFile.makeFolders(folder + "/file") }.hasSuffix("is a file, a folder was expected"))
      #expect(refusal { try DurableFile.makeFolders(folder + "/file/a") }.contains("is a file"))
      #expect(refusal { try DurableFile.makeFolders("") }.contains("empty name"))
    }
  }

  @Test("a path that cannot be written is named with the system's reason")
  func refused() throws {
    try withTemporaryFolder { folder in
      #expect(refusal { try DurableFile.write("x", to: folder + "/no/file") }.contains("/no/file: cannot create"))
      #expect(refusal { try DurableFile.write("x", to: folder + "/") }.contains("no file name"))
      #expect(refusal { try DurableFile.write("x", to: "") }.contains("no file name"))
      try DurableFile.makeFolders(folder + "/taken")
      let sentence = refusal { try DurableFile.write("x", to: folder + "/taken") }
      #expect(sentence == "\(folder)/taken: cannot get its name (rename): Is a directory")
      #expect(try names(in: folder) == ["taken"])
    }
  }

  @Test("reading names what is missing, a folder, forbidden or too large")
  func reading() throws {
    try withTemporaryFolder { folder in
      #expect(refusal { try FileBytes.read(folder + "/none") } == "\(folder)/none: no such file")
      #expect(refusal { try FileBytes.read(folder) }.hasSuffix("is a folder, a file was expected"))
      try DurableFile.write([1, 2, 3, 4], to: folder + "/four")
      #expect(
        refusal { try FileBytes.read(folder + "/four", limit: 3) }.hasSuffix("has 4 bytes, at most 3 were expected"))
      #expect(refusal { try FileBytes.read("/dev/zero", limit: 100_000) }.contains("at most 100000"))
      #expect(try FileBytes.read("/proc/self/stat").count > 10)
      #expect(refusal { try FileBytes.read(folder + "/four/five") }.contains("Not a directory"))
    }
  }

  @Test(
    "a read-only folder is refused with a sentence",
    .enabled(if: Mounts.allowed || geteuid() != 0, "needs mount rights"))
  func readOnly() throws {
    try withTemporaryFolder { folder in
      if geteuid() == 0 {
        try Mounts.withTmpfs(at: folder, readOnly: true) { try check("Read-only file system") }
      } else {
        chmod(folder, 0o555)
        try check("Permission denied")
        chmod(folder, 0o755)
      }
      func check(_ reason: String) throws {
        #expect(
          refusal { try DurableFile.write("x", to: folder + "/x") }
            == "\(folder)/x: cannot create a file in its folder: \(reason)")
        #expect(
          refusal { try DurableFile.makeFolders(folder + "/y") } == "\(folder)/y: cannot make this folder: \(reason)")
      }
    }
  }

  @Test(
    "a full disk is refused with a sentence and leaves the old file",
    .enabled(if: Mounts.allowed, "needs root to mount a small tmpfs"))
  func fullDisk() throws {
    try withTemporaryFolder { folder in
      try Mounts.withTmpfs(at: folder, readOnly: false) {
        try DurableFile.write("old", to: folder + "/x")
        let sentence = refusal { try DurableFile.write([UInt8](repeating: 1, count: 100_000), to: folder + "/x") }
        #expect(sentence == "\(folder)/x: cannot be written: No space left on device")
        #expect(try FileBytes.read(folder + "/x") == Array("old".utf8))
        #expect(try names(in: folder) == ["x"])
      }
    }
  }
}

/// File systems of 64 kB in memory; only root may make them.
enum Mounts {
  static let allowed: Bool =
    geteuid() == 0
    && (try? withTemporaryFolder { folder in
      guard mount("tmpfs", folder, "tmpfs", 0, "size=64k") == 0 else { return false }
      return umount2(folder, Int32(MNT_DETACH)) == 0
    }) ?? false

  static func withTmpfs(at folder: String, readOnly: Bool, _ body: () throws -> Void) throws {
    try #require(mount("tmpfs", folder, "tmpfs", readOnly ? UInt(MS_RDONLY) : 0, "size=64k") == 0)
    defer { umount2(folder, Int32(MNT_DETACH)) }
    try body()
  }
}
