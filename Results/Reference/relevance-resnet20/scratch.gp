set terminal svg size 720,476 dynamic enhanced font "sans,13" background rgb "white"
set encoding utf8
set xlabel "count" noenhanced
set ylabel "scratch.test.accuracy (%)" noenhanced
set grid lc rgb "#cccccc"
set border 3
set tics nomirror
set key below noenhanced height 1.5
set title "scratch.test.accuracy (%) against count, mean ± 95 % interval over 5 seeds" noenhanced
set xrange [39.0:61.0]
set xtics ("40" 40.0, "60" 60.0) noenhanced
$line0 << EOD
40.0 44.480000000000004 1.5064613506787525
60.0 41.94 2.468695333971563
EOD
$line1 << EOD
40.0 44.480000000000004 1.5064613506787525
60.0 41.94 2.468695333971563
EOD
$line2 << EOD
40.0 43.78 2.2374082407914777
60.0 42.18 1.834135691555549
EOD
$line3 << EOD
40.0 44.84 1.4173473527047897
60.0 40.98 1.7524625910401703
EOD
$line4 << EOD
40.0 45.660000000000004 1.3562017825277253
60.0 42.84 0.8539543583458811
EOD
plot $line0 using ($1+(-0.8)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#0072B2" title "relevance", \
     $line1 using ($1+(-0.4)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#D55E00" title "relevance, batchNorm folded", \
     $line2 using ($1+(0.0)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 3 lc rgb "#009E73" title "relevance, place output", \
     $line3 using ($1+(0.4)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 4 lc rgb "#CC79A7" title "l1", \
     $line4 using ($1+(0.8)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 5 lc rgb "#E69F00" title "random"
